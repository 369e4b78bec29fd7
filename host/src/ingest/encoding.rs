//! Bodies that come compressed, as `Content-Encoding` says.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};

/// The largest window of zstd that a decoder makes room for, as a power of two: what RFC 9659 allows.
const ZSTD_WINDOW_LOG: u32 = 23;
/// How much is decoded at a time, in bytes.
const STEP_BYTES: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// A body, as it came and as it is read.
#[derive(Debug)]
pub enum Payload {
    /// It came as it is read.
    Plain(Vec<u8>),
    /// It came compressed.
    Decoded {
        /// The bytes that were sent, which are what a sender signs.
        sent: Vec<u8>,
        /// What they mean.
        body: Vec<u8>,
    },
    /// It is not what its encoding says.
    Undecodable {
        /// The bytes that were sent.
        sent: Vec<u8>,
        /// What is wrong with them.
        reason: String,
    },
}

/// A body that becomes larger than bodies may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl ContentEncoding {
    /// The names of all, for who sends another one.
    pub const ACCEPTED: &str = "gzip, zstd, identity";

    /// What the headers say; none where they say something else.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Some(Self::Identity) };
        if values.next().is_some() {
            return None;
        }
        match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Decodes a body; no more than `limit_bytes` and a step are ever held.
    ///
    /// # Errors
    /// [`TooLarge`] where it would become larger.
    pub fn decode(self, sent: Vec<u8>, limit_bytes: usize) -> Result<Payload, TooLarge> {
        let decoded = match self {
            Self::Identity => return Ok(Payload::Plain(sent)),
            Self::Gzip => read(MultiGzDecoder::new(sent.as_slice()), limit_bytes),
            Self::Zstd => {
                zstd::stream::read::Decoder::with_buffer(sent.as_slice()).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                    read(decoder, limit_bytes)
                })
            }
        };
        match decoded {
            Ok(Some(body)) => Ok(Payload::Decoded { sent, body }),
            Ok(None) => Err(TooLarge),
            Err(error) => {
                let reason = format!("the body is not the {} that its headers say: {error}", self.name());
                Ok(Payload::Undecodable { sent, reason })
            }
        }
    }
}

/// All there is to read; none where it is more than that.
fn read(mut decoder: impl Read, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let count = decoder.read(&mut step)?;
        if count == 0 {
            return Ok(Some(body));
        }
        if body.len().saturating_add(count) > limit_bytes {
            return Ok(None);
        }
        body.extend_from_slice(step.get(..count).unwrap_or_default());
    }
}

impl Payload {
    /// The bytes that were sent, where they are others than what is read.
    pub(super) fn sent(&self) -> Option<&[u8]> {
        match self {
            Self::Decoded { sent, .. } => Some(sent),
            Self::Plain(_) | Self::Undecodable { .. } => None,
        }
    }

    /// Why it cannot be read, if so.
    pub(super) fn defect(&self) -> Option<&str> {
        match self {
            Self::Undecodable { reason, .. } => Some(reason),
            Self::Plain(_) | Self::Decoded { .. } => None,
        }
    }

    /// What is read and kept, moved out.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(body) | Self::Decoded { body, .. } | Self::Undecodable { sent: body, .. } => {
                std::mem::take(body)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LIMIT: usize = 100_000;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(encoding: ContentEncoding, sent: &[u8]) -> Option<Vec<u8>> {
        match encoding.decode(sent.to_vec(), LIMIT) {
            Ok(Payload::Decoded { sent: kept, body }) => {
                assert_eq!(kept, sent);
                Some(body)
            }
            Ok(Payload::Plain(body)) => Some(body),
            Ok(Payload::Undecodable { sent: kept, reason }) => {
                assert_eq!(kept, sent);
                assert!(reason.contains("is not the"), "{reason}");
                None
            }
            Err(TooLarge) => panic!("too large"),
        }
    }

    #[test]
    fn what_was_compressed_comes_out_up_to_the_limit() {
        let exact = vec![b'x'; LIMIT];
        assert_eq!(decoded(ContentEncoding::Identity, b"plain").unwrap(), b"plain");
        assert_eq!(decoded(ContentEncoding::Gzip, &gzip(&exact)).unwrap(), exact);
        assert_eq!(
            decoded(ContentEncoding::Zstd, &zstd::encode_all(exact.as_slice(), 3).unwrap()).unwrap(),
            exact
        );
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(decoded(ContentEncoding::Gzip, &twice).unwrap(), b"one two");
        let over = vec![b'x'; LIMIT + 1];
        for (encoding, sent) in [
            (ContentEncoding::Gzip, gzip(&over)),
            (ContentEncoding::Zstd, zstd::encode_all(over.as_slice(), 3).unwrap()),
        ] {
            assert!(encoding.decode(sent, LIMIT).is_err(), "{encoding:?}");
        }
    }

    #[test]
    fn what_is_cut_damaged_or_something_else_is_undecodable() {
        let whole = gzip(b"some text that is worth it");
        let mut damaged = whole.clone();
        damaged[12] ^= 0x55;
        let cut = &whole[..whole.len() - 1];
        let more = [whole.as_slice(), b"and more"].concat();
        for sent in [b"".as_slice(), b"plain", cut, &damaged, &more] {
            assert_eq!(decoded(ContentEncoding::Gzip, sent), None, "{sent:?}");
        }
        let whole = zstd::encode_all(b"some text".as_slice(), 3).unwrap();
        for sent in [b"plain".as_slice(), &whole[..whole.len() - 1], &[&whole[..], b"more"].concat()] {
            assert_eq!(decoded(ContentEncoding::Zstd, sent), None, "{sent:?}");
        }
    }

    #[test]
    fn a_window_larger_than_the_standard_has_it_is_not_made_room_for() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"small").unwrap();
        assert_eq!(decoded(ContentEncoding::Zstd, &encoder.finish().unwrap()), None);
    }

    #[test]
    fn encodings_are_known_by_one_name_in_one_header() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, http::HeaderValue::from_static(value));
            }
            ContentEncoding::of(&headers)
        };
        assert_eq!(
            (of(&[]), of(&["identity"])),
            (Some(ContentEncoding::Identity), Some(ContentEncoding::Identity))
        );
        assert_eq!(
            (of(&["GZIP"]), of(&["x-gzip"])),
            (Some(ContentEncoding::Gzip), Some(ContentEncoding::Gzip))
        );
        assert_eq!(of(&["zstd"]), Some(ContentEncoding::Zstd));
        for values in [&["br"][..], &["deflate"], &["x-foo"], &["gzip, gzip"], &["gzip", "zstd"]] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
