//! Sends a prepared request, follows redirects within its origin, reads the answer.

use std::error::Error;
use std::io;

use domain::egress::{HttpError, HttpResponse};
use http::header::LOCATION;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy;

use super::Grants;
use super::budget::{Budget, Sent};
use super::connect::{Connector, TooMuch};
use super::dial::DialError;
use super::headers;
use super::origin::Origin;
use super::prepare::Prepared;

/// `wit/host.wit`: redirects are followed at most three times.
const MAX_REDIRECTS: u32 = 3;

/// Sends requests over the connections of one pool.
pub(super) type Client = legacy::Client<Connector, Full<Bytes>>;

/// What a request needs beside itself.
pub(super) struct Route<'a> {
    pub(super) client: &'a Client,
    pub(super) grants: &'a Grants,
    pub(super) budget: &'a Budget,
}

impl Route<'_> {
    /// Sends and waits for the whole answer. The caller sets the deadline; `record` is what is kept of the
    /// request once it leaves.
    pub(super) async fn exchange(
        &self,
        mut prepared: Prepared,
        record: Option<Sent>,
    ) -> Result<HttpResponse, HttpError> {
        let mut response = self.first(&prepared, record).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(location) = redirect(&response)? else { break };
            self.follow(&mut prepared, response.status(), location)?;
            self.budget.take_call(prepared.body.len())?;
            let sent = self.client.request(prepared.request()?).await;
            response = sent.map_err(|error| self.explain(&prepared.origin, &error))?;
        }
        if redirect(&response)?.is_some() {
            self.grants.refuse("redirect");
            return Err(HttpError::Denied(format!(
                "`{}` redirects more than {MAX_REDIRECTS} times\nhint: use the final address",
                prepared.origin
            )));
        }
        self.read(&prepared.origin, response).await
    }

    async fn first(
        &self,
        prepared: &Prepared,
        record: Option<Sent>,
    ) -> Result<Response<Incoming>, HttpError> {
        let request = prepared.request()?;
        self.budget.take_call(prepared.body.len())?;
        self.budget.record(record);
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                self.budget.retract();
            }
            self.explain(&prepared.origin, &error)
        })
    }

    /// Turns the next hop into the request, within the same origin.
    ///
    /// What sends something is repeated for 307 and 308 alone.
    ///
    /// # Source
    /// RFC 9110, section 15.4: clients turn a POST into a GET for 303, and for 301 and 302 most do. The
    /// notification would be lost without an error, so neither is done.
    fn follow(&self, prepared: &mut Prepared, status: StatusCode, location: String) -> Result<(), HttpError> {
        let from = &prepared.origin;
        let unreadable = || HttpError::Unreachable(format!("`{from}` redirects to what is no address"));
        let url = prepared.url.join(&location).map_err(|_| unreadable())?;
        let to = Origin::of(&url).map_err(|_| unreadable())?;
        if to != *from {
            self.grants.refuse("redirect");
            return Err(HttpError::Denied(format!(
                "`{}` may not follow a redirect from `{from}` to `{to}`, another origin\n\
                 hint: use the final address",
                self.grants.plugin
            )));
        }
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if prepared.method != Method::GET && !keeps_method {
            self.grants.refuse("redirect");
            return Err(HttpError::Denied(format!(
                "`{from}` redirects a {} with {}, after which it would be a GET without a body\n\
                 hint: use the final address",
                prepared.method,
                status.as_u16(),
            )));
        }
        prepared.url = url;
        prepared.url.set_fragment(None);
        Ok(())
    }

    async fn read(&self, origin: &Origin, response: Response<Incoming>) -> Result<HttpResponse, HttpError> {
        let (head, mut rest) = response.into_parts();
        let headers = headers::incoming(&head.headers)?;
        let mut body = Vec::new();
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(|error| self.explain(origin, &error))?;
            // What is no data is trailers, which nobody asked for.
            let Ok(chunk) = frame.into_data() else { continue };
            self.budget.take_received(body.len(), chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status: head.status.as_u16(), headers, body })
    }

    /// An error in words that hold neither path nor query.
    fn explain(&self, origin: &Origin, error: &(dyn Error + 'static)) -> HttpError {
        let mut cause = error;
        loop {
            if let Some(error) = cause.downcast_ref::<DialError>() {
                return error.tell(self.grants, origin);
            }
            if is_too_much(cause) {
                return HttpError::TooLarge;
            }
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return HttpError::Timeout;
        }
        // The deepest cause is of the socket, TLS or HTTP layer; none of them knows the address.
        HttpError::Unreachable(format!("`{origin}`: the connection broke: {cause}"))
    }
}

fn is_too_much(cause: &(dyn Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let head = cause.downcast_ref::<hyper::Error>();
    inner.is_some_and(|inner| inner.is::<TooMuch>()) || head.is_some_and(hyper::Error::is_parse_too_large)
}

/// Where an answer sends us, if it does.
fn redirect<T>(response: &Response<T>) -> Result<Option<String>, HttpError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let text = location.to_str().map(str::to_owned);
    text.map(Some)
        .map_err(|_| HttpError::Unreachable("the answer redirects to what is no address".to_owned()))
}
