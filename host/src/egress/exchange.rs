//! Sends a prepared request, follows redirects within its origin, reads the answer.

use std::error::Error;
use std::io;

use domain::egress::{HttpError, HttpResponse};
use reqwest::header::LOCATION;
use reqwest::{Client, Method, Response, StatusCode};

use super::allow_list::AllowList;
use super::budget::{Budget, Sent};
use super::headers;
use super::origin::Origin;
use super::prepare::Prepared;
use super::resolve::{LookUpError, vet};

/// `wit/host.wit`: redirects are followed at most three times.
const MAX_REDIRECTS: u32 = 3;

/// What a request needs beside itself.
pub(super) struct Route<'a> {
    pub(super) client: &'a Client,
    pub(super) allow: &'a AllowList,
    pub(super) plugin: &'a str,
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
            self.admit(&prepared)?;
            let sent = self.client.execute(prepared.request()).await;
            response = sent.map_err(|error| self.explain(&prepared.origin, &error))?;
        }
        if redirect(&response)?.is_some() {
            return Err(HttpError::Denied(format!(
                "`{}` redirects more than {MAX_REDIRECTS} times\nhint: use the final address",
                prepared.origin
            )));
        }
        self.read(&prepared.origin, response).await
    }

    async fn first(&self, prepared: &Prepared, record: Option<Sent>) -> Result<Response, HttpError> {
        self.admit(prepared)?;
        self.budget.record(record);
        self.client.execute(prepared.request()).await.map_err(|error| {
            if error.is_connect() {
                self.budget.retract();
            }
            self.explain(&prepared.origin, &error)
        })
    }

    fn admit(&self, prepared: &Prepared) -> Result<(), HttpError> {
        self.check_address(&prepared.origin)?;
        self.budget.take_call(prepared.body.len())
    }

    /// Hosts that are addresses never meet the resolver, so they are checked here.
    fn check_address(&self, origin: &Origin) -> Result<(), HttpError> {
        let Some(address) = origin.address() else { return Ok(()) };
        vet(self.allow, origin.host(), address).map_err(|error| error.tell(self.plugin))
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
            return Err(HttpError::Denied(format!(
                "`{}` may not follow a redirect from `{from}` to `{to}`, another origin\n\
                 hint: use the final address",
                self.plugin
            )));
        }
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if prepared.method != Method::GET && !keeps_method {
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

    async fn read(&self, origin: &Origin, mut response: Response) -> Result<HttpResponse, HttpError> {
        let status = response.status().as_u16();
        let headers = headers::incoming(response.headers())?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(origin, &error))? {
            self.budget.take_received(body.len(), chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status, headers, body })
    }

    /// An error in words that hold neither path nor query.
    fn explain(&self, origin: &Origin, error: &reqwest::Error) -> HttpError {
        let mut cause: &(dyn Error + 'static) = error;
        loop {
            if let Some(error) = cause.downcast_ref::<LookUpError>() {
                return error.tell(self.plugin);
            }
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        // Without a connection the remote cannot have acted, however long it took.
        if (error.is_timeout() || is_timed_out(cause)) && !error.is_connect() {
            return HttpError::Timeout;
        }
        let what = if error.is_connect() { "there is no connection" } else { "the connection broke" };
        // The deepest cause is of the socket, TLS or HTTP layer; none of them knows the address.
        HttpError::Unreachable(format!("`{origin}`: {what}: {cause}"))
    }
}

fn is_timed_out(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Where an answer sends us, if it does.
fn redirect(response: &Response) -> Result<Option<String>, HttpError> {
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
