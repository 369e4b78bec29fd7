//! What plugins say about themselves.

use domain::plugin::{DriverInfo, NotifierInfo, PluginInfo, ProviderInfo};
use domain::shape::{Root, Shape};
use domain::signature::{Algorithm, Encoding, HmacScheme, SecretEncoding, SignatureScheme};

use crate::bindings::driver::exports::watchbell::plugin::driver as guest;
use crate::bindings::driver::watchbell::plugin::types;
use crate::bindings::notifier::exports::watchbell::plugin::notifier;
use crate::bindings::provider::exports::watchbell::plugin::intelligence;
use crate::bound::{Breach, Reader, count};

// Bounds of `wit/types.wit` and `wit/driver.wit`; where they name none, far more than anybody needs.
const MAX_VERSION: usize = 32;
const MAX_SUMMARY: usize = 200;
const MAX_ADDRESS: usize = 512;
const MAX_HEADER: usize = 64;
const MAX_SCHEMES: usize = 8;
const MAX_SHAPES: usize = 8;
const MAX_ENTRIES: usize = 16;
const MAX_ENTRY: usize = 128;
const MAX_HOSTS: usize = 32;
const MAX_TASKS: usize = 16;
const MAX_SCHEMA: usize = 64 * 1024;
const PRIORITIES: std::ops::RangeInclusive<i32> = 0..=1000;

/// What a driver says about itself.
pub(crate) fn driver_info(reader: &mut Reader, info: guest::DriverInfo) -> Result<DriverInfo, Breach> {
    count("signatures", info.signatures.len(), MAX_SCHEMES)?;
    count("shapes", info.shapes.len(), MAX_SHAPES)?;
    if let Some(sample) = &info.sample {
        reader.take("sample", sample.len())?;
    }
    Ok(DriverInfo {
        plugin: plugin_info(reader, info.plugin)?,
        signatures: indexed("signatures", info.signatures, |scheme| signature(reader, scheme))?,
        shapes: indexed("shapes", info.shapes, |entry| shape(reader, entry))?,
        delivery_id_header: info
            .delivery_id_header
            .map(|name| header(reader, "delivery-id-header", name))
            .transpose()?,
        sample: info.sample,
    })
}

/// What a notifier says about itself.
pub(crate) fn notifier_info(
    reader: &mut Reader,
    info: notifier::NotifierInfo,
) -> Result<NotifierInfo, Breach> {
    Ok(NotifierInfo {
        plugin: plugin_info(reader, info.plugin)?,
        config_schema: reader.json("config-schema", &info.config_schema, MAX_SCHEMA)?,
        hosts: reader.names("hosts", info.hosts, MAX_HOSTS, MAX_ADDRESS)?,
        supports_update: info.supports_update,
    })
}

/// What a provider says about itself.
pub(crate) fn provider_info(
    reader: &mut Reader,
    info: intelligence::ProviderInfo,
) -> Result<ProviderInfo, Breach> {
    Ok(ProviderInfo {
        plugin: plugin_info(reader, info.plugin)?,
        config_schema: reader.json("config-schema", &info.config_schema, MAX_SCHEMA)?,
        hosts: reader.names("hosts", info.hosts, MAX_HOSTS, MAX_ADDRESS)?,
        tasks: reader.names("tasks", info.tasks, MAX_TASKS, MAX_HEADER)?,
    })
}

fn plugin_info(reader: &mut Reader, info: types::PluginInfo) -> Result<PluginInfo, Breach> {
    // Read for its form only: this version of the contract puts nothing there.
    reader.json("plugin.extra", &info.extra, MAX_SCHEMA)?;
    Ok(PluginInfo {
        name: info.name.parse().map_err(|error: domain::plugin::NameError| {
            Breach::new("plugin.name", format!("is not one: {error}"))
        })?,
        version: reader.name("plugin.version", info.version, MAX_VERSION)?,
        summary: reader.line("plugin.summary", info.summary, MAX_SUMMARY)?,
        homepage: reader.optional_name("plugin.homepage", info.homepage, MAX_ADDRESS)?,
    })
}

fn header(reader: &mut Reader, field: &str, name: String) -> Result<String, Breach> {
    Ok(reader.name(field, name, MAX_HEADER)?.to_ascii_lowercase())
}

fn indexed<T, U>(
    list: &str,
    values: Vec<T>,
    mut convert: impl FnMut(T) -> Result<U, Breach>,
) -> Result<Vec<U>, Breach> {
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| convert(value).map_err(|breach| breach.inside(list, index)))
        .collect()
}

fn signature(reader: &mut Reader, scheme: guest::SignatureScheme) -> Result<SignatureScheme, Breach> {
    let scheme = match scheme {
        guest::SignatureScheme::StandardWebhooks => return Ok(SignatureScheme::StandardWebhooks),
        guest::SignatureScheme::Hmac(scheme) => scheme,
    };
    count("prefixes", scheme.prefixes.len(), MAX_ENTRIES)?;
    let scheme = HmacScheme {
        header: header(reader, "header", scheme.header)?,
        algorithm: algorithm(&scheme.algorithm)?,
        encoding: match scheme.encoding {
            guest::Encoding::Hex => Encoding::Hex,
            guest::Encoding::Base64 => Encoding::Base64,
        },
        // The empty prefix has a meaning here, so these are no names.
        prefixes: scheme
            .prefixes
            .into_iter()
            .map(|prefix| reader.line("prefixes", prefix, MAX_HEADER))
            .collect::<Result<_, _>>()?,
        separator: reader.optional_name("separator", scheme.separator, 8)?,
        timestamp_header: scheme
            .timestamp_header
            .map(|name| header(reader, "timestamp-header", name))
            .transpose()?,
        template: reader.name("signed-template", scheme.signed_template, MAX_ENTRY)?,
        tolerance_s: scheme.tolerance_s,
        secret_encoding: secret_encoding(&scheme.secret_encoding)?,
    };
    match scheme.defect() {
        None => Ok(SignatureScheme::Hmac(scheme)),
        Some(defect) => Err(Breach::new("hmac", format!("is not acceptable: {defect}"))),
    }
}

fn algorithm(word: &str) -> Result<Algorithm, Breach> {
    match word {
        "sha256" => Ok(Algorithm::Sha256),
        "sha384" => Ok(Algorithm::Sha384),
        "sha512" => Ok(Algorithm::Sha512),
        _ => Err(Breach::new("algorithm", "is none of `sha256`, `sha384` and `sha512`")),
    }
}

fn secret_encoding(text: &str) -> Result<SecretEncoding, Breach> {
    match text.split_once(':') {
        None if text == "utf8" => Ok(SecretEncoding::Utf8),
        None if text == "base64" => Ok(SecretEncoding::Base64(String::new())),
        Some(("base64", prefix)) if prefix.len() <= MAX_HEADER => {
            Ok(SecretEncoding::Base64(prefix.to_owned()))
        }
        _ => Err(Breach::new("secret-encoding", "is neither `utf8` nor `base64` nor `base64:<prefix>`")),
    }
}

fn shape(reader: &mut Reader, shape: guest::Shape) -> Result<Shape, Breach> {
    let entries =
        [&shape.headers, &shape.required, &shape.forbidden].iter().map(|list| list.len()).sum::<usize>();
    count("entries", entries.saturating_add(shape.equals.len()), MAX_ENTRIES)?;
    if !PRIORITIES.contains(&shape.priority) {
        return Err(Breach::new("priority", format!("is not between 0 and 1000: {}", shape.priority)));
    }
    Ok(Shape {
        name: reader.name("name", shape.name, MAX_HEADER)?,
        root: match shape.root {
            guest::Root::Object => Root::Object,
            guest::Root::Array => Root::Array,
            guest::Root::Form => Root::Form,
        },
        headers: shape
            .headers
            .into_iter()
            .map(|name| header(reader, "headers", name))
            .collect::<Result<_, _>>()?,
        required: pointers(reader, "required", shape.required)?,
        forbidden: pointers(reader, "forbidden", shape.forbidden)?,
        equals: shape
            .equals
            .into_iter()
            .map(|entry| {
                let value = reader.line("equals", entry.value, MAX_ENTRY)?;
                Ok((pointer(reader, "equals", entry.key)?, value))
            })
            .collect::<Result<_, _>>()?,
        priority: shape.priority,
    })
}

fn pointers(reader: &mut Reader, field: &str, list: Vec<String>) -> Result<Vec<String>, Breach> {
    list.into_iter().map(|text| pointer(reader, field, text)).collect()
}

fn pointer(reader: &mut Reader, field: &str, text: String) -> Result<String, Breach> {
    let text = reader.name(field, text, MAX_ENTRY)?;
    if text.starts_with('/') {
        return Ok(text);
    }
    Err(Breach::new(field, format!("is not a JSON Pointer: `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_shape() -> guest::Shape {
        guest::Shape {
            name: "v4".into(),
            root: guest::Root::Object,
            headers: vec!["X-Sender".into()],
            required: vec!["/alerts/0".into()],
            forbidden: vec![],
            equals: vec![],
            priority: 500,
        }
    }

    #[test]
    fn shapes_are_bounded() {
        let read = |entry| shape(&mut Reader::new(10_000), entry);
        assert_eq!(read(a_shape()).unwrap().headers, ["x-sender"]);
        assert_eq!(read(guest::Shape { priority: 1001, ..a_shape() }).unwrap_err().field, "priority");
        let many = vec!["/a".to_owned(); 16];
        assert_eq!(read(guest::Shape { required: many, ..a_shape() }).unwrap_err().field, "entries");
        let no_pointer = vec!["alerts".to_owned()];
        assert_eq!(read(guest::Shape { forbidden: no_pointer, ..a_shape() }).unwrap_err().field, "forbidden");
    }

    #[test]
    fn signature_schemes_that_prove_nothing_are_refused() {
        let scheme = |template: &str, algorithm: &str| {
            let scheme = guest::HmacScheme {
                header: "X-Signature".into(),
                algorithm: algorithm.into(),
                encoding: guest::Encoding::Hex,
                prefixes: vec![String::new(), "sha256=".into()],
                separator: None,
                timestamp_header: None,
                signed_template: template.into(),
                tolerance_s: 0,
                secret_encoding: "utf8".into(),
            };
            signature(&mut Reader::new(10_000), guest::SignatureScheme::Hmac(scheme))
        };
        assert!(scheme("{body}", "sha256").is_ok());
        assert_eq!(scheme("constant", "sha256").unwrap_err().field, "hmac");
        assert_eq!(scheme("{body}", "md5").unwrap_err().field, "algorithm");
    }
}
