//! One answer of the hub.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// One answer of the hub, read whole.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await?.into() })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    /// A header as text, or the empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of ours is text"))
    }

    /// Checks that this is a problem document (RFC 9457) of this status and kind, which names its
    /// request; returns its detail.
    ///
    /// # Panics
    /// When it is something else.
    pub fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let document = self.json();
        assert_eq!(document["type"], format!("urn:watchbell:problem:{kind}"), "{document}");
        assert_eq!(document["status"], status, "{document}");
        assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()), "{document}");
        let id = document["request_id"].as_str().expect("a problem names its request");
        assert_eq!(self.header("x-request-id"), id);
        document["detail"].as_str().expect("a problem has a detail").to_owned()
    }
}
