//! Requests over their limit, and what answers say of it.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::client::{Client, TrustedProxies};
use domain::rate::Standing;

use crate::http::Peer;
use crate::http::problem::Problem;

const FORWARDED_FOR: &str = "x-forwarded-for";

pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(super) const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(super) const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where a request came from.
pub(super) fn client(request: &Request, trusted: &TrustedProxies) -> Client {
    // A connection without an address, as over a local socket, is one client.
    let unknown = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let peer = request.extensions().get::<Peer>().map_or(unknown, |peer| peer.0.ip());
    let values: Vec<&[u8]> =
        request.headers().get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    trusted.client(peer, values.into_iter())
}

/// What a request over its limit is told.
pub(super) fn over(standing: Standing) -> Problem {
    let detail = format!(
        "over the limit of {} requests a minute; try again in {} s",
        standing.limit, standing.reset_s
    );
    Problem::too_many(detail, standing.reset_s)
}

/// Says on an answer where the caller stands.
pub(super) fn tell(standing: Standing, headers: &mut HeaderMap) {
    for (name, value) in [(LIMIT, standing.limit), (REMAINING, standing.remaining), (RESET, standing.reset_s)]
    {
        headers.insert(name, HeaderValue::from(value));
    }
}
