//! Providers that ask a language model over HTTP.
//!
//! A provider of this kind says which remote it asks ([`Service`]), reads its own settings, and puts a
//! [`Question`] into the remote's own words and the answer back into a [`Reply`]: the trait
//! [`ModelProvider`], bound to the world by [`crate::export_model_provider!`]. The rest is the same
//! for all of them and lies here: the prompt ([`prompt`]), the settings that all have ([`Settings`]),
//! sending, asking once more with less where the remote refuses a parameter, what refusals mean, and
//! reading an analysis out of whatever a model writes ([`reply`]). [`chat`] knows the dialect that
//! many remotes speak: OpenAI's chat completions.

pub mod chat;
mod fault;
mod find;
pub mod prompt;
pub mod reply;
mod settings;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use prompt::Prompt;
pub use reply::{End, Reply, count, usage};
pub use settings::{Common, Settings};

use crate::http::{HttpError, Remote, Request, Response, json_request};
use crate::intelligence::{Analysis, AnalysisRequest, Problem, Provider, ProviderInfo, Surroundings};
use crate::{Label, PluginError, json, label, plugin_info};
use fault::Fault;

/// What these providers can be asked.
const TASK: &str = "incident";

/// The setting that holds the key, which is also the name of the secret.
const KEY: &str = "api_key";

/// The length of an answer where neither the host nor a setting says one, in tokens.
const DEFAULT_MAX_TOKENS: u32 = 1_024;

/// How many requests one analysis may cost: the first, and one without each of the [`Extra`]s.
const MAX_REQUESTS: usize = 4;

/// The remote that a provider asks, as it is where no setting says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The provider's name.
    pub plugin: &'static str,
    /// The provider's version.
    pub version: &'static str,
    /// One line: what it is for.
    pub summary: &'static str,
    /// How people call the remote.
    pub name: &'static str,
    /// What the remote's paths are appended to, without a slash at the end.
    pub base_url: &'static str,
    /// The model that is asked. Models are withdrawn after a year or two: this is a default that ages.
    pub model: &'static str,
    /// How long to wait for an answer, in seconds.
    pub timeout_s: u32,
    /// How the key is sent.
    pub auth: Auth,
    /// What to do where the remote does not have the model.
    pub no_model: &'static str,
}

/// How a remote wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// As `Authorization: Bearer …`.
    Bearer,
    /// As `Authorization: Bearer …` where there is a key; it may have none.
    OptionalBearer,
    /// As the value of this header.
    Header(&'static str),
}

/// What a request asks for beyond the bare need, and what an older or stricter remote may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// The schema of the answer.
    Structure,
    /// The temperature.
    Temperature,
    /// The first of two names for the limit of the answer.
    Limit,
}

/// What the model is asked, and with what.
#[derive(Debug)]
pub struct Question<'a> {
    /// Its parts in words.
    pub prompt: Prompt,
    /// Which model.
    pub model: &'a str,
    /// How long the answer may be, in tokens.
    pub max_tokens: u32,
    /// How freely it may choose its words; none leaves it to the remote.
    pub temperature: Option<f64>,
    /// Whether the remote is to hold the answer to [`prompt::answer_schema`].
    pub structured: bool,
    /// Whether the limit goes by its other name, because the remote does not know the first.
    pub other_limit: bool,
}

impl Question<'_> {
    /// Takes an extra out. False: it was not in.
    fn drop(&mut self, extra: Extra) -> bool {
        match extra {
            Extra::Structure => std::mem::replace(&mut self.structured, false),
            Extra::Temperature => self.temperature.take().is_some(),
            Extra::Limit => !std::mem::replace(&mut self.other_limit, true),
        }
    }
}

/// A question in the remote's own words. The key is put in by [`analyze`].
#[derive(Debug)]
pub struct Call {
    /// Where to, the base included.
    pub url: String,
    /// What goes with it.
    pub headers: Vec<Label>,
    /// The body.
    pub body: Value,
}

/// A provider that asks one model.
pub trait ModelProvider: Sized {
    /// The remote, where no setting says otherwise.
    const SERVICE: Service;

    /// Words in a refusal, and what is left out of the next request when they are there. Words of the
    /// remote for its parameters.
    const REFUSABLE: &'static [(&'static str, Extra)];

    /// The settings beside those that all have, with their JSON Schemas.
    fn own_settings() -> Vec<(&'static str, Value)>;

    /// Reads all settings; what is wrong with them is noted there.
    fn read_settings(settings: &mut Settings<'_>) -> Self;

    /// The settings that all have.
    fn common(&self) -> &Common;

    /// Puts the question into the remote's words.
    fn call(&self, question: &Question<'_>) -> Call;

    /// Reads an answer that the remote gave with a status of success.
    ///
    /// # Errors
    /// [`PluginError::Unavailable`] for an answer of no known form, [`PluginError::Rejected`] for one that
    /// says that there will be none.
    fn read(&self, body: &str) -> Result<Reply, PluginError>;
}

impl<M: ModelProvider> Provider for M {
    fn metadata() -> ProviderInfo {
        metadata::<M>()
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        problems::<M>(config)
    }

    fn analyze(
        request: &AnalysisRequest,
        config: &str,
        surroundings: &mut dyn Surroundings,
    ) -> Result<Analysis, PluginError> {
        analyze::<M>(request, config, surroundings)
    }
}

/// Makes a component of the world `intelligence-provider` from a type that implements [`ModelProvider`].
///
/// Unlike [`crate::export_provider!`] it does not import what the host knows of its machine.
#[macro_export]
macro_rules! export_model_provider {
    ($provider:ty) => {
        struct Component;

        impl $crate::intelligence::Guest for Component {
            fn metadata() -> $crate::intelligence::ProviderInfo {
                $crate::model::metadata::<$provider>()
            }

            fn validate_config(config: String) -> Vec<$crate::intelligence::Problem> {
                $crate::model::problems::<$provider>(&config)
            }

            fn analyze(
                request: $crate::intelligence::AnalysisRequest,
                config: String,
            ) -> Result<$crate::intelligence::Analysis, $crate::PluginError> {
                $crate::model::analyze::<$provider>(&request, &config, &mut $crate::http::HostRemote)
                    .map_err($crate::within_bounds)
            }
        }

        $crate::bindings::intelligence::export_intelligence_world!(
            Component with_types_in $crate::bindings::intelligence
        );
    };
}

/// Who the provider is.
pub fn metadata<M: ModelProvider>() -> ProviderInfo {
    let service = M::SERVICE;
    let (scheme, rest) = service.base_url.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    ProviderInfo {
        plugin: plugin_info(service.plugin, service.version, service.summary),
        config_schema: settings::schema(&service, M::own_settings()),
        hosts: vec![format!("{scheme}://{authority}")],
        tasks: vec![TASK.to_owned()],
    }
}

/// What is wrong with the settings.
pub fn problems<M: ModelProvider>(config: &str) -> Vec<Problem> {
    settings::read::<M>(config).err().unwrap_or_default()
}

/// Asks the model.
///
/// Where the remote refuses the request and names one of [`ModelProvider::REFUSABLE`], it is asked once
/// more without that.
///
/// # Errors
/// As the remote's answer has it; texts hold no key.
pub fn analyze<M: ModelProvider>(
    request: &AnalysisRequest,
    config: &str,
    remote: &mut dyn Remote,
) -> Result<Analysis, PluginError> {
    let service = M::SERVICE;
    if request.task != TASK {
        return Err(PluginError::Unsupported(format!(
            "provider `{}` knows the task `{TASK}` only",
            service.plugin
        )));
    }
    let provider: M = settings::read(config).map_err(settings::first_problem)?;
    let common = provider.common();
    let wished = if request.max_output_tokens == 0 { DEFAULT_MAX_TOKENS } else { request.max_output_tokens };
    let mut question = Question {
        prompt: Prompt::of(request),
        model: &common.model,
        max_tokens: common.max_tokens.unwrap_or(wished),
        temperature: common.temperature,
        structured: true,
        other_limit: false,
    };
    for _ in 1..MAX_REQUESTS {
        let response = send(&provider, &question, remote)?;
        if (200..300).contains(&response.status) {
            return finish(&provider, &question, &response);
        }
        let fault = Fault::read(&response.body);
        let named = M::REFUSABLE.iter().filter(|(word, _)| fault.refuses(&response, word));
        if !named.map(|(_, extra)| *extra).any(|extra| question.drop(extra)) {
            return Err(fault.explain(&service, &response, remote.now()));
        }
    }
    let response = send(&provider, &question, remote)?;
    if (200..300).contains(&response.status) {
        return finish(&provider, &question, &response);
    }
    Err(Fault::read(&response.body).explain(&service, &response, remote.now()))
}

fn send<M: ModelProvider>(
    provider: &M,
    question: &Question<'_>,
    remote: &mut dyn Remote,
) -> Result<Response, PluginError> {
    let (service, common) = (M::SERVICE, provider.common());
    let call = provider.call(question);
    let mut request: Request = json_request("POST", &call.url, call.body.to_string().into_bytes());
    request.headers.extend(call.headers);
    request.timeout_ms = Some(common.timeout_s.saturating_mul(1_000));
    match service.auth {
        Auth::Header(name) => request.headers.push(label(name, &format!("secret://{KEY}"))),
        Auth::Bearer | Auth::OptionalBearer => request.credential = common.has_key.then(|| KEY.to_owned()),
    }
    remote.send(&request).map_err(|error| failure(&service, common, error))
}

/// What it means that there is no answer.
fn failure(service: &Service, common: &Common, error: HttpError) -> PluginError {
    let name = service.name;
    match error {
        HttpError::Timeout => PluginError::Unavailable(format!(
            "{name} did not answer within {}s\nhint: a smaller model or a shorter `max_tokens` is faster; `timeout_s` waits longer",
            common.timeout_s
        )),
        HttpError::TooLarge => PluginError::Rejected(format!("{name} answered with more than is read")),
        HttpError::BudgetExceeded(reason) => PluginError::Rejected(reason),
        other => crate::http::failure(other),
    }
}

fn finish<M: ModelProvider>(
    provider: &M,
    question: &Question<'_>,
    response: &Response,
) -> Result<Analysis, PluginError> {
    let service = M::SERVICE;
    let strange = || {
        PluginError::Unavailable(format!(
            "{} answered {} with something else than an answer\nhint: see whether `base_url` leads to the API and not to a page",
            service.name, response.status
        ))
    };
    let (_, body) = json::body(&response.body).map_err(|_| strange())?;
    let fault = Fault::read(&response.body);
    if fault.is_error() {
        return Err(fault.explain(&service, response, 0));
    }
    let reply = provider.read(body).map_err(|error| match error {
        PluginError::InvalidInput(_) => strange(),
        other => other,
    })?;
    reply.into_analysis(&service, question)
}
