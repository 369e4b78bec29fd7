//! Alert drivers: the trait to implement and short forms for what a driver says about itself.

#[doc(hidden)]
pub use crate::bindings::driver::exports::watchbell::plugin::driver::Guest;
pub use crate::bindings::driver::exports::watchbell::plugin::driver::{
    DriverInfo, Encoding, HmacScheme, Incoming, Outcome, Parsed, Root, Shape, SignatureScheme,
};

use crate::alert::Warnings;
use crate::json::Items;
use crate::text::{clip, one_line};
use crate::{Alert, PluginError, label, repeats};

/// At most so many alerts may come from one webhook (`wit/driver.wit`).
pub const MAX_ALERTS: usize = 2_000;

/// Most bytes of text in one result: the 8 MiB of `wit/driver.wit`, less what stands around alerts.
const MAX_ALERT_BYTES: usize = (8 << 20) - (256 << 10);

/// Longest reason, receiver and address, in bytes, as the host has it.
const MAX_SENTENCE_BYTES: usize = 4 << 10;
/// Longest key of a group, in bytes, as the host has it.
const MAX_GROUP_KEY_BYTES: usize = 16 << 10;
/// Longest version of a format, in bytes, as the host has it.
const MAX_VERSION_BYTES: usize = 64;

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

/// Has a driver read a webhook as the component does: of a key that stands twice the last counts.
///
/// # Errors
/// Those of the driver.
pub fn read<D: Driver>(request: &Incoming, config: &str) -> Result<Parsed, PluginError> {
    let parsed = D::parse(request, config);
    match &parsed {
        // As a derived reader names it; nothing else can be asked.
        Err(PluginError::InvalidInput(why)) if why.contains("duplicate field") => {
            match repeats::last_of_each(&request.body) {
                Some(body) => D::parse(&Incoming { body, ..request.clone() }, config),
                None => parsed,
            }
        }
        _ => parsed,
    }
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
                $crate::driver::read::<$driver>(&request, &config)
                    .map_err($crate::within_bounds)
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
        Self::new(Outcome::Nothing(clip(reason, MAX_SENTENCE_BYTES).into_owned()))
    }

    /// With what the sender says about the whole, within the bounds of the contract, and with the
    /// warnings. What had to be cut is a warning, where there is room for one more.
    #[must_use]
    pub fn about(mut self, about: &About<'_>, mut warnings: Warnings) -> Self {
        let mut line = |what: &str, text: &str, max_bytes: usize| {
            let line = one_line(text);
            if line.len() > max_bytes {
                warnings.add(|| format!("{what} of {} bytes was cut to {max_bytes}", line.len()));
            }
            clip(&line, max_bytes).into_owned()
        };
        self.group_key = line("group key", about.group_key, MAX_GROUP_KEY_BYTES);
        self.receiver = line("receiver", about.receiver, MAX_SENTENCE_BYTES);
        self.external_url = line("external address", about.external_url, MAX_SENTENCE_BYTES);
        self.version = line("version", about.version, MAX_VERSION_BYTES);
        self.warnings = warnings.into_lines();
        self
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

/// What a sender says about a whole webhook; empty where it says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The sender's key for the group.
    pub group_key: &'a str,
    /// The sender's name for where it sent this.
    pub receiver: &'a str,
    /// Where the sender can be reached by people.
    pub external_url: &'a str,
    /// The version of the payload format.
    pub version: &'a str,
}

/// Turns a list of alerts, and what is said about the whole of it, into a result: alerts, rightly
/// nothing, or an error. `warnings` are those that must not be lost among the alerts' own.
///
/// An alert that would make the result larger than the contract allows loses its annotations, links
/// and extra fields, then its description; that is a warning.
///
/// # Errors
/// [`PluginError::InvalidInput`] for more alerts than the contract allows (cutting the list would
/// lose alerts without a trace) and for a list of anything but objects.
pub fn collect<T>(
    list: &Items<T>,
    about: &About<'_>,
    mut warnings: Warnings,
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
            0 => Ok(Parsed::nothing("the list of alerts is empty").about(about, warnings)),
            skipped => Err(PluginError::InvalidInput(format!(
                "none of the {skipped} elements of the list of alerts is an object"
            ))),
        };
    }
    if list.skipped > 0 {
        warnings.add(|| format!("{} elements of the list of alerts are no objects", list.skipped));
    }
    let mut left = MAX_ALERT_BYTES;
    let mut alerts = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let mut alert = read(item, &mut warnings);
        let mut size = bytes(&alert);
        if size > left {
            size = fit(&mut alert, left, &mut warnings);
        }
        left = left.saturating_sub(size);
        alerts.push(alert);
    }
    Ok(Parsed::alerts(alerts).about(about, warnings))
}

/// Takes from an alert what explains it, where it needs more than is left. Returns its new size.
fn fit(alert: &mut Alert, left: usize, warnings: &mut Warnings) -> usize {
    warnings.add(|| "an alert lost its annotations and links: all alerts together are too large".into());
    alert.annotations = Vec::new();
    alert.links = Vec::new();
    alert.extra = String::new();
    if bytes(alert) > left {
        warnings.add(|| "an alert lost its description: all alerts together are too large".into());
        alert.description = String::new();
    }
    bytes(alert)
}

/// The text of an alert as the host counts it, in bytes.
fn bytes(alert: &Alert) -> usize {
    let texts = [&alert.name, &alert.raw_status, &alert.raw_severity, &alert.description, &alert.extra];
    let labels = [&alert.labels, &alert.annotations, &alert.links].into_iter().flatten();
    texts.iter().map(|text| text.len()).sum::<usize>()
        + alert.fingerprint.as_ref().map_or(0, String::len)
        + labels.map(|label| label.key.len() + label.value.len()).sum::<usize>()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Draft;
    use crate::json::{Pairs, read};
    use crate::testkit::breach;

    /// Each as long as a body can hold, and with all that a text can hold.
    fn nasty() -> [String; 4] {
        ["é", "\u{202e}\u{2067}\n", "\u{0}\u{85}\u{7f}", "😀\t "].map(|text| text.repeat(20_000))
    }

    /// 300 pairs: empty keys, keys that are equal once they are on one line, long keys and long values.
    fn pairs(text: &str) -> String {
        let pair = |index: usize| {
            let key =
                if index.is_multiple_of(3) { text.to_owned() } else { format!("{index}\u{202e}{text:.50}") };
            (key, if index < 100 { text.to_owned() } else { format!("{text:.9}") })
        };
        serde_json::to_string(&(0..300).map(pair).collect::<std::collections::BTreeMap<_, _>>()).unwrap()
    }

    fn worst<'w>(text: &str, pairs: &Pairs<'_>, warnings: &'w mut Warnings) -> Draft<'w> {
        let mut draft = Draft::new(text, warnings)
            .fingerprint(text)
            .status(crate::words::STATUSES, &[text, "ok"])
            .severity(crate::words::SEVERITIES, &[text])
            .description(text)
            .starts_at(text)
            .ends_at("9999-01-01T00:00:00Z", i64::MAX)
            .labels(pairs)
            .annotations(pairs)
            .label(text, text)
            .annotation(text, text)
            .extra(serde_json::json!({ "text": text }).to_string());
        for _ in 0..20 {
            draft =
                draft.link("source", &format!("https://{text:.2000}")).link("x", &format!("http://{text}"));
        }
        draft
    }

    #[test]
    fn no_text_however_odd_makes_a_result_that_the_host_refuses() {
        let list: Items<serde::de::IgnoredAny> = read(&format!("[{}]", ["{}"; 30].join(","))).unwrap();
        for text in nasty() {
            let json = pairs(&text);
            let pairs: Pairs<'_> = read(&json).unwrap();
            let about = About { group_key: &text, receiver: &text, external_url: &text, version: &text };
            let mut first = Warnings::default();
            first.add(|| format!("first {text}"));
            let parsed =
                collect(&list, &about, first, |_, warnings| worst(&text, &pairs, warnings).finish()).unwrap();
            assert_eq!(breach(&parsed), None);
            assert_eq!(parsed.warnings.len(), 20);
            assert!(parsed.warnings[0].starts_with("first"), "{:?}", parsed.warnings[0]);
            assert_eq!(breach(&Parsed::nothing(&text)), None);
        }
    }

    #[test]
    fn texts_that_many_alerts_share_do_not_make_the_result_too_large() {
        let list: Items<serde::de::IgnoredAny> =
            read(&format!("[{}]", vec!["{}"; MAX_ALERTS].join(","))).unwrap();
        let address = format!("https://example.net/{}", "x".repeat(4_000));
        let parsed = collect(&list, &About::default(), Warnings::default(), |_, warnings| {
            Draft::new("a", warnings).link("source", &address).annotation("more", &address).finish()
        })
        .unwrap();
        assert_eq!(breach(&parsed), None);
        let Outcome::Alerts(alerts) = &parsed.outcome else { panic!("no alerts") };
        assert_eq!((alerts.len(), alerts[0].links.len(), alerts[1_999].links.len()), (2_000, 1, 0));
        assert!(parsed.warnings[0].contains("too large"), "{:?}", parsed.warnings);
    }

    #[test]
    fn texts_about_the_whole_that_are_too_long_are_cut_and_named() {
        let long = "é".repeat(9_000);
        let about = About { group_key: &long, receiver: "a\nb", external_url: &long, version: &long };
        let parsed = Parsed::nothing("").about(&about, Warnings::default());
        assert_eq!(parsed.receiver, "a b");
        assert!(parsed.group_key.ends_with('…') && parsed.version.len() <= 64);
        assert_eq!(parsed.warnings[0], "group key of 18000 bytes was cut to 16384");
        assert_eq!(parsed.warnings.len(), 3);
    }
}
