//! Drivers, honest but for the parts that a test replaces.

use crate::kit::{ALLOCATE, Image, Record, component};

/// What the one alert of these drivers says.
#[derive(Clone)]
pub(crate) struct Alert {
    pub(crate) name: Vec<u8>,
    pub(crate) description: String,
    pub(crate) starts_at: Option<i64>,
    /// How many labels; all have the same key.
    pub(crate) labels: u32,
}

/// What a driver says of itself beyond its name.
#[derive(Clone)]
pub(crate) struct Claims {
    pub(crate) summary: String,
    /// How many shapes; all are the same.
    pub(crate) shapes: u32,
    pub(crate) scheme: Option<Scheme>,
}

/// How its sender signs, with a time.
#[derive(Clone, Copy)]
pub(crate) struct Scheme {
    pub(crate) algorithm: &'static str,
    pub(crate) template: &'static str,
    pub(crate) tolerance_s: u32,
}

impl Scheme {
    /// One that is taken.
    pub(crate) const HONEST: Self =
        Self { algorithm: "sha256", template: "{timestamp}.{body}", tolerance_s: 600 };
}

/// A driver in parts. `..Driver::default()` is honest.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) world: &'static str,
    /// Imports, after that of `$log`.
    pub(crate) imports: &'static str,
    /// Anything else on the module's level.
    pub(crate) module: String,
    /// Body of `metadata`; the address of `driver-info` is `$INFO`.
    pub(crate) metadata: &'static str,
    /// Body of `parse`; `$PARSED` is the address of its result, `$ALERT` that of the one alert.
    /// With a 1 behind it the address is one too high, which is not aligned.
    pub(crate) parse: String,
    /// Body of `cabi_realloc`; `$allocate` is an honest one.
    pub(crate) realloc: &'static str,
    pub(crate) alert: Alert,
    pub(crate) claims: Box<Claims>,
    pub(crate) sample: Option<&'static str>,
}

impl Default for Driver {
    fn default() -> Self {
        Self {
            name: "subject",
            version: "0.1.0",
            world: "alert-driver",
            imports: "",
            module: String::new(),
            metadata: "(i32.const $INFO)",
            parse: "(i32.const $PARSED)".to_owned(),
            realloc: ALLOCATE,
            alert: Alert {
                name: b"DiskFull".to_vec(),
                description: "a disk is full".to_owned(),
                starts_at: Some(1_700_000_000_000),
                labels: 1,
            },
            claims: Box::new(Claims { summary: "made for a test".to_owned(), shapes: 0, scheme: None }),
            sample: Some("{}"),
        }
    }
}

impl Driver {
    /// Honest but for the body of `parse`, and without a sample, so that it loads and misbehaves
    /// later.
    pub(crate) fn parsing(parse: impl Into<String>) -> Self {
        Self { parse: parse.into(), sample: None, ..Self::default() }
    }

    /// The same with more on the module's level.
    pub(crate) fn with(mut self, module: impl AsRef<str>) -> Self {
        self.module.push_str(module.as_ref());
        self
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        component(self.version, self.world, &self.wat())
    }

    /// The core module as text.
    pub(crate) fn wat(&self) -> String {
        let mut image = Image::new();
        let info = self.info(&mut image);
        let alert = self.alert(&mut image);
        // `result<parsed, plugin-error>`: the discriminant, then `parsed` with its outcome first.
        let parsed =
            (0..5).fold(Record::default().byte(0).word(0).span((alert, 1)), |record, _| record.span((0, 0)));
        let parsed = image.record(parsed);
        let Self { version, imports, module, metadata, parse, .. } = self;
        let memory = image.wat(self.realloc);
        format!(
            r#"(module
  (import "watchbell:plugin/host-log@{version}" "log" (func $log (param i32 i32 i32)))
  {imports}
  {memory}
  {module}
  (func (export "watchbell:plugin/driver@{version}#metadata") (result i32)
    {metadata})
  (func (export "watchbell:plugin/driver@{version}#parse")
    (param i32 i32 i32 i32 i32 i32 i32 i32) (param $body i32) (param $length i32) (param i64 i32 i32)
    (result i32) (local $i i32) (local $at i32) (local $end i32) (local $sum i64)
    {parse}))"#
        )
        .replace("$INFO", &info.to_string())
        .replace("$PARSED1", &(parsed + 1).to_string())
        .replace("$PARSED", &parsed.to_string())
        .replace("$ALERT1", &(alert + 1).to_string())
        .replace("$ALERT", &alert.to_string())
    }

    fn info(&self, image: &mut Image) -> u32 {
        let sample = self.sample.map(|sample| image.text(sample));
        let Claims { summary, shapes, scheme } = &*self.claims;
        let schemes = scheme.map_or((0, 0), |scheme| (scheme.put(image), 1));
        let name = image.text("webhook");
        // `root` is an object, `priority` 1.
        let shape = |record: Record, _| {
            (0..4).fold(record.span(name).byte(0), |record, _| record.span((0, 0))).word(1)
        };
        let shapes = (image.record((0..*shapes).fold(Record::default(), shape)), *shapes);
        let info = image.plugin_info_with(self.name, summary);
        image.record(info.span(schemes).span(shapes).optional(None).optional(sample))
    }

    fn alert(&self, image: &mut Image) -> u32 {
        let Alert { name, description, starts_at, labels } = &self.alert;
        let (name, description) = (image.put(name), image.text(description));
        let (word, key) = (image.text("firing"), image.text("host"));
        let pairs = (0..*labels).fold(Record::default(), |record, _| record.span(key).span(word));
        let pairs = (image.record(pairs), *labels);
        image.record(
            Record::default()
                .optional(None)
                .span(name)
                .byte(0)
                .span(word)
                .byte(0)
                .span(word)
                .span(description)
                .optional_long(*starts_at)
                .optional_long(None)
                .span(pairs)
                .span((0, 0))
                .span((0, 0))
                .span((0, 0)),
        )
    }
}

impl Scheme {
    /// `signature-scheme` with its case `hmac`.
    fn put(self, image: &mut Image) -> u32 {
        let [header, timestamp] = ["x-signature", "x-timestamp"].map(|name| image.text(name));
        let (algorithm, template) = (image.text(self.algorithm), image.text(self.template));
        let encoding = image.text("utf8");
        image.record(
            Record::default()
                .byte(0)
                .span(header)
                .span(algorithm)
                .byte(0)
                .span((0, 0))
                .optional(None)
                .optional(Some(timestamp))
                .span(template)
                .word(self.tolerance_s)
                .span(encoding),
        )
    }
}
