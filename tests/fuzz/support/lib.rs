//! What must hold for any input. A target only says which function gets it.
#![forbid(unsafe_code)]

pub mod shape;
pub mod signature;

use plugin_sdk::PluginError;
use plugin_sdk::driver::{self, Driver, Incoming, Outcome};
use plugin_sdk::testkit::{breach, incoming};

/// Any bytes end in alerts, in nothing with a reason or in an error of the sender's; the answer keeps to the
/// contract and is the same when asked again.
///
/// # Panics
/// One of these does not hold.
pub fn driver<D: Driver>(body: &[u8]) {
    for content_type in ["application/json", shape::FORM] {
        let request = Incoming { content_type: content_type.to_owned(), ..incoming(body) };
        let answer = driver::read::<D>(&request, "{}");
        match &answer {
            Ok(parsed) => {
                assert_eq!(breach(parsed), None, "the host refuses the answer");
                assert!(!matches!(&parsed.outcome, Outcome::Nothing(why) if why.is_empty()), "no reason");
            }
            Err(PluginError::InvalidInput(why) | PluginError::Unsupported(why)) => assert!(!why.is_empty()),
            Err(other) => panic!("not the sender's fault: {other:?}"),
        }
        let again = driver::read::<D>(&request, "{}");
        assert_eq!(format!("{answer:?}"), format!("{again:?}"), "another answer to the same bytes");
    }
}
