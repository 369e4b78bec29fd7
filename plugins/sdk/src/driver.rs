//! Alert drivers: the trait to implement and short forms for what a driver says about itself.

#[doc(hidden)]
pub use crate::bindings::driver::exports::watchbell::plugin::driver::Guest;
pub use crate::bindings::driver::exports::watchbell::plugin::driver::{
    DriverInfo, Encoding, HmacScheme, Incoming, Outcome, Parsed, Root, Shape, SignatureScheme,
};

use crate::alert::Warnings;
use crate::json::Items;
use crate::{Alert, PluginError, label};

/// At most so many alerts may come from one webhook (`wit/driver.wit`).
pub const MAX_ALERTS: usize = 2_000;

/// How far a signed time may be off, in seconds: the five minutes that Standard Webhooks asks for.
pub const TOLERANCE_S: u32 = 300;

/// Turns webhooks of one kind of sender into alerts. A pure function of its arguments.
pub trait Driver {
    /// Who the driver is, how its sender signs and what its payloads look like.
    fn metadata() -> DriverInfo;

    /// Reads one webhook.
    ///
    /// # Errors
    /// [`PluginError::InvalidInput`] for what is broken, [`PluginError::Unsupported`] for what is of
    /// another kind. Any bytes must end in a result or an error.
    fn parse(request: &Incoming, config: &str) -> Result<Parsed, PluginError>;
}

/// Makes a component of the world `alert-driver` from a type that implements [`Driver`].
#[macro_export]
macro_rules! export_driver {
    ($driver:ty) => {
        struct Component;

        impl $crate::driver::Guest for Component {
            fn metadata() -> $crate::driver::DriverInfo {
                <$driver as $crate::driver::Driver>::metadata()
            }

            fn parse(
                request: $crate::driver::Incoming,
                config: String,
            ) -> Result<$crate::driver::Parsed, $crate::PluginError> {
                <$driver as $crate::driver::Driver>::parse(&request, &config)
            }
        }

        $crate::bindings::driver::export_driver_world!(
            Component with_types_in $crate::bindings::driver
        );
    };
}

impl Parsed {
    /// Alerts, with nothing known about their group.
    pub fn alerts(alerts: Vec<Alert>) -> Self {
        Self::new(Outcome::Alerts(alerts))
    }

    /// Rightly no alerts, and why.
    pub fn nothing(reason: &str) -> Self {
        Self::new(Outcome::Nothing(reason.to_owned()))
    }

    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            group_key: String::new(),
            receiver: String::new(),
            external_url: String::new(),
            version: String::new(),
            warnings: Vec::new(),
        }
    }
}

/// Turns a list of alerts into a result: alerts, rightly nothing, or an error.
///
/// # Errors
/// [`PluginError::InvalidInput`] for more alerts than the contract allows (cutting the list would
/// lose alerts without a trace) and for a list of anything but objects.
pub fn collect<T>(
    list: &Items<T>,
    mut read: impl FnMut(&T, &mut Warnings) -> Alert,
) -> Result<Parsed, PluginError> {
    if list.seen > MAX_ALERTS {
        return Err(PluginError::InvalidInput(format!(
            "body holds {} alerts, at most {MAX_ALERTS} are taken at once\n\
             hint: let the sender split them into smaller groups",
            list.seen
        )));
    }
    if list.items.is_empty() {
        return match list.skipped {
            0 => Ok(Parsed::nothing("the list of alerts is empty")),
            skipped => Err(PluginError::InvalidInput(format!(
                "none of the {skipped} elements of the list of alerts is an object"
            ))),
        };
    }
    let mut warnings = Warnings::default();
    if list.skipped > 0 {
        warnings.add(|| format!("{} elements of the list of alerts are no objects", list.skipped));
    }
    let alerts = list.items.iter().map(|item| read(item, &mut warnings)).collect();
    Ok(Parsed { warnings: warnings.into_lines(), ..Parsed::alerts(alerts) })
}

impl Shape {
    /// An object with all of these pointers.
    pub fn object(name: &str, priority: i32, required: &[&str]) -> Self {
        Self::new(name, Root::Object, priority, required)
    }

    /// An array with all of these pointers.
    pub fn array(name: &str, priority: i32, required: &[&str]) -> Self {
        Self::new(name, Root::Array, priority, required)
    }

    fn new(name: &str, root: Root, priority: i32, required: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            root,
            headers: Vec::new(),
            required: required.iter().map(|pointer| (*pointer).to_owned()).collect(),
            forbidden: Vec::new(),
            equals: Vec::new(),
            priority,
        }
    }

    /// And with none of these.
    #[must_use]
    pub fn without(mut self, forbidden: &[&str]) -> Self {
        self.forbidden.extend(forbidden.iter().map(|pointer| (*pointer).to_owned()));
        self
    }

    /// And with this value at this pointer, compared as text.
    #[must_use]
    pub fn with_value(mut self, pointer: &str, value: &str) -> Self {
        self.equals.push(label(pointer, value));
        self
    }
}

/// The common signature: hexadecimal HMAC-SHA256 of the body in one header.
pub fn hmac_sha256_hex(header: &str) -> HmacScheme {
    HmacScheme {
        header: header.to_owned(),
        algorithm: "sha256".to_owned(),
        encoding: Encoding::Hex,
        prefixes: Vec::new(),
        separator: None,
        timestamp_header: None,
        signed_template: "{body}".to_owned(),
        tolerance_s: TOLERANCE_S,
        secret_encoding: "utf8".to_owned(),
    }
}
