//! From what a plugin asks for to what may be sent.

use domain::egress::{HttpError, HttpRequest};
use domain::trace::TraceParent;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use url::Url;

use super::Grants;
use super::headers;
use super::origin::{Origin, OriginError};
use super::secrets::{self, Encoding, Filler};
use super::sign;
use crate::clock;

/// A request that the grants allow, with secrets put in. Not yet checked: the address.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) origin: Origin,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Prepared {
    /// What the client sends for one hop.
    pub(super) fn request(&self) -> Result<Request<Full<Bytes>>, HttpError> {
        let uri = Uri::try_from(self.url.as_str());
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.uri_mut() = uri.map_err(|_| {
            HttpError::InvalidRequest("the address has characters that cannot be sent".to_owned())
        })?;
        request.method_mut().clone_from(&self.method);
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }

    /// Says which step of which trace this is (W3C Trace Context). Plugins cannot say it themselves.
    pub(super) fn trace(&mut self, step: TraceParent) {
        if let Ok(value) = HeaderValue::from_str(&step.to_string()) {
            self.headers.insert(headers::TRACE_PARENT, value);
        }
    }
}

/// Checks a request against the grants and puts the secrets in.
pub(super) fn prepare(grants: &Grants, request: HttpRequest) -> Result<Prepared, HttpError> {
    let method = match request.method.as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => {
            let message = "the method must be GET, POST, PUT, PATCH or DELETE, in capitals";
            return Err(HttpError::InvalidRequest(message.to_owned()));
        }
    };
    let mut filler = Filler::new(&grants.secrets);
    let (url, origin) = target(&request.url, &mut filler)?;
    let mut headers = headers::outgoing(&request.headers, request.credential.as_deref(), &mut filler)?;
    let body = match request.resolve_in_body {
        true => fill_body(&headers, request.body, &mut filler)?,
        false => request.body,
    };
    if let Some(signing) = &request.signing {
        let key = filler.value(&signing.secret)?;
        headers.extend(sign::standard(signing, key, &body, &headers, clock::now())?);
    }
    let bound = check_secrets(grants, &filler, &origin);
    check_granted(grants, &origin)?;
    bound?;
    Ok(Prepared { method, url, origin, headers, body })
}

/// The address, filled, and its origin.
///
/// A placeholder must not decide which host is called, unless it is the whole address: else a plugin
/// could spell a secret as a host name and have it looked up, or read it in the refusal.
fn target(text: &str, filler: &mut Filler<'_>) -> Result<(Url, Origin), HttpError> {
    let origin_of = |text: &str, what: &str| match Url::parse(text) {
        Ok(url) => match Origin::of(&url) {
            Ok(origin) if origin.is_http() => Ok((url, origin)),
            Ok(_) => Err(HttpError::InvalidRequest(format!("{what}: {}", OriginError::Scheme))),
            Err(why) => Err(HttpError::InvalidRequest(format!("{what}: {why}"))),
        },
        Err(_) => Err(HttpError::InvalidRequest(format!("{what}: {}", OriginError::Unreadable))),
    };
    let (mut url, origin) = if let Some(name) = secrets::whole_placeholder(text) {
        origin_of(filler.value(name)?, &format!("secret `{name}` as address"))?
    } else if let Some(before) = secrets::before_placeholder(text) {
        let (_, fixed) = origin_of(before, "what stands before the placeholder in the address")?;
        let (url, origin) = origin_of(&filler.fill(text, Encoding::Percent)?, "the address")?;
        if origin != fixed {
            let message = "a placeholder must stand behind the host of the address, or be all of it";
            return Err(HttpError::InvalidRequest(message.to_owned()));
        }
        (url, origin)
    } else {
        origin_of(text, "the address")?
    };
    url.set_fragment(None);
    Ok((url, origin))
}

/// Refuses to send a secret to where it is not bound, granted or not.
pub(super) fn check_secrets(grants: &Grants, filler: &Filler<'_>, to: &Origin) -> Result<(), HttpError> {
    filler.check_bindings(grants.plugin.as_str(), to).inspect_err(|why| audit(grants, why))
}

/// Says that a secret was on its way to where it must not go: the plugin is careless, or worse.
fn audit(grants: &Grants, why: &HttpError) {
    let trace_id = grants.trace.map(|step| tracing::field::display(step.trace_id));
    tracing::warn!(plugin.name = %grants.plugin, trace_id, error.r#type = "secret_refused", "{why}");
    grants.refuse("secret");
}

/// Refuses what is not granted.
pub(super) fn check_granted(grants: &Grants, origin: &Origin) -> Result<(), HttpError> {
    if grants.origins.contains(origin) {
        return Ok(());
    }
    grants.refuse("origin");
    let plugin = &grants.plugin;
    Err(HttpError::Denied(format!(
        "`{plugin}` may not reach `{origin}`: it is not granted\n\
         hint: in `plugins.toml`, give `{plugin}` the line `allow_hosts = [\"{origin}\"]`"
    )))
}

fn fill_body(headers: &HeaderMap, body: Vec<u8>, filler: &mut Filler<'_>) -> Result<Vec<u8>, HttpError> {
    let text = String::from_utf8(body).map_err(|_| {
        HttpError::InvalidRequest("placeholders are replaced in bodies of UTF-8 text only".to_owned())
    })?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let encoding = match essence.as_str() {
        "application/x-www-form-urlencoded" => Encoding::Percent,
        json if json == "application/json" || json.ends_with("+json") => Encoding::Json,
        _ => Encoding::Raw,
    };
    filler.fill(&text, encoding).map(String::into_bytes)
}
