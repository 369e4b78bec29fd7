use store::Options;

use super::*;
use crate::crypto::{Place, SecretKey};

const FIRST: &str = "8f1d2c3b4a59687706f5e4d3c2b1a09f1e2d3c4b5a69788716f5e4d3c2b1a08e";
const SECOND: &str = "03c4f2a19be7d05866f1a2b3948c7d6e5f40312213a4b5c6d7e8f90a1b2c3d4f";
const PLACE: Place<'static> = Place { table: "channel", column: "settings", row: "01J" };

fn keys(current: &str, previous: &[&str]) -> SecretKeys {
    let key = |text: &str| SecretKey::parse("K", text).unwrap();
    SecretKeys { current: key(current), previous: previous.iter().map(|text| key(text)).collect() }
}

struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One more host on this file.
    async fn host(&self, keys: SecretKeys) -> Result<Rotation> {
        let url = format!("sqlite://{}", self.0.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        store.migrate(clock::now()).await.unwrap();
        Rotation::open(store, keys).await
    }
}

#[tokio::test]
async fn hosts_that_start_at_once_seal_with_the_same_keys() {
    let file = File::new();
    let start = || file.host(keys(FIRST, &[]));
    let (a, b, c) = tokio::join!(start(), start(), start());
    let hosts = [a.unwrap(), b.unwrap(), c.unwrap()];
    for sealing in &hosts {
        let sealed = sealing.ring.seal(Purpose::Channel, PLACE, b"value").unwrap();
        for opening in &hosts {
            assert_eq!(opening.ring.open_value(Purpose::Channel, PLACE, &sealed).unwrap(), b"value");
        }
    }
    assert_eq!(hosts[0].status().await.unwrap().data_keys, Purpose::ALL.len());
}

#[tokio::test]
async fn wrapping_again_goes_on_where_it_was_cut_off() {
    let file = File::new();
    let old = file.host(keys(FIRST, &[])).await.unwrap();
    let sealed = old.ring.seal(Purpose::Payload, PLACE, b"value").unwrap();
    for left in (1..Purpose::ALL.len()).rev() {
        let host = file.host(keys(SECOND, &[FIRST])).await.unwrap();
        // As a kill between two keys does it.
        host.rewrap(|_| bail!("cut off")).await.unwrap_err();
        assert_eq!(host.status().await.unwrap().left, left);
        assert_eq!(host.ring.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");
        let refused = file.host(keys(SECOND, &[])).await.unwrap_err().to_string();
        assert!(refused.contains("WATCHBELL_SECRET_KEY_PREVIOUS"), "{refused}");
    }
    let host = file.host(keys(SECOND, &[FIRST])).await.unwrap();
    assert_eq!(host.round().await.unwrap().left, 0);
    let after = file.host(keys(SECOND, &[])).await.unwrap();
    assert_eq!(after.ring.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");
    assert!(file.host(keys(FIRST, &[])).await.is_err(), "the old key opens nothing any more");
}

#[tokio::test]
async fn hosts_in_the_middle_of_a_rotation_do_not_undo_each_other() {
    let file = File::new();
    let behind = file.host(keys(FIRST, &[SECOND])).await.unwrap();
    assert_eq!(behind.status().await.unwrap().needless().count(), 0, "the second key is yet to come");
    let ahead = file.host(keys(SECOND, &[FIRST])).await.unwrap();
    let before = behind.round().await.unwrap();
    assert_eq!((before.left, before.data_keys), (Purpose::ALL.len(), Purpose::ALL.len()));
    assert_eq!(before.ahead().unwrap().role, Role::Previous);
    assert_eq!(ahead.round().await.unwrap().left, 0);
    assert_eq!(behind.round().await.unwrap().left, 0);

    behind.renew().await.unwrap();
    assert_eq!(
        behind.round().await.unwrap().left,
        Purpose::ALL.len(),
        "a host that is behind wraps as it can"
    );
    let done = ahead.round().await.unwrap();
    assert_eq!((done.left, done.needless().count()), (0, 1));

    let refused = behind.take_turn(false).await.unwrap_err().to_string();
    assert!(refused.contains("--back"), "{refused}");
    behind.take_turn(true).await.unwrap();
    assert_eq!(behind.round().await.unwrap().left, 0);
    assert_eq!(ahead.round().await.unwrap().ahead().unwrap().role, Role::Previous);
}

#[tokio::test]
async fn a_host_without_the_new_key_goes_on_and_says_what_the_next_start_would_not_survive() {
    let file = File::new();
    let forgotten = file.host(keys(FIRST, &[])).await.unwrap();
    let sealed = forgotten.ring.seal(Purpose::Payload, PLACE, b"value").unwrap();
    let ahead = file.host(keys(SECOND, &[FIRST])).await.unwrap();
    ahead.round().await.unwrap();
    let said = forgotten.round().await.unwrap_err().to_string();
    assert!(said.contains(keys(SECOND, &[]).current.kek_id()), "{said}");
    assert!(said.contains("first every host gets the new key as a previous one"), "{said}");
    assert_eq!(forgotten.ring.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");
    let refused = forgotten.take_turn(true).await.unwrap_err().to_string();
    assert!(refused.contains("wrapped under secret key"), "{refused}");
}

#[tokio::test]
async fn hosts_that_wrap_at_once_share_the_work() {
    let file = File::new();
    let first = file.host(keys(FIRST, &[])).await.unwrap();
    for _ in 0..4 {
        first.renew().await.unwrap();
    }
    let host = || file.host(keys(SECOND, &[FIRST]));
    let (a, b) = (host().await.unwrap(), host().await.unwrap());
    let count = async |host: Rotation| {
        let mut count = 0;
        host.rewrap(|_| {
            count += 1;
            Ok(())
        })
        .await
        .unwrap();
        count
    };
    let (left, right) = tokio::join!(count(a), count(b));
    assert_eq!(left + right, Purpose::ALL.len() * 5);
    assert_eq!(file.host(keys(SECOND, &[])).await.unwrap().status().await.unwrap().left, 0);
}
