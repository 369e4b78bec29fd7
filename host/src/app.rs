//! Builds every long-lived part once, starts them in order, and stops them in the other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::plugin::{PluginKind, PluginName};
use domain::retry::Policy;
use store::{Options, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::checks::{CheckResult, Checks, Machine, Plan};
use crate::clock::{self, Ids};
use crate::config::{Config, PipelineSettings, ServerSettings};
use crate::crypto::KeyRing;
use crate::deliver::{self, Channels, Deliverer, Sender};
use crate::egress::Egress;
use crate::hosts::{self, Presence};
use crate::http;
use crate::ingest::{
    self, Admission, Again, Ingest, Recorded, Recorder, SecretSources, WebhookSecrets, Writer,
};
use crate::intelligence::{self, Intelligence};
use crate::jobs::{self, ChannelWatch, PluginWatch, Retention, SelfCheck};
use crate::pipeline::{self, Outputs, Pipeline};
use crate::plugins::{self, Approvals, Catalogue, Kept, Manager};
use crate::rotation::Rotation;
use crate::telemetry::{self, export, metrics};
use crate::template::Templates;
use crate::wake::Wakes;
use crate::worker::Pace;

/// How long a stop waits for this host to be taken off the list.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How long the first pause between tries of a run is.
const RUN_RETRY_BASE: Duration = Duration::from_secs(2);
/// The longest pause between tries of a run.
const RUN_RETRY_CAP: Duration = Duration::from_secs(300);

/// Opens the database, migrates it and opens the keys that everything stored is sealed with.
///
/// # Errors
/// When the database does not open or migrate, or was sealed with another secret key.
pub async fn open(config: &Config) -> Result<(Store, Arc<KeyRing>)> {
    let (store, rotation) = open_rotation(config).await?;
    Ok((store, rotation.ring()))
}

/// [`open`], with the keys in a form in which they can be replaced.
///
/// # Errors
/// As [`open`].
pub async fn open_rotation(config: &Config) -> Result<(Store, Rotation)> {
    let store = Store::open(&config.database.url, Options::default()).await?;
    hosts::measure(&store).await?;
    store.migrate(clock::now()).await?;
    if let Some(newest) = store.newest().await? {
        Ids::go_on_after(newest);
    }
    let rotation = Rotation::open(store.clone(), config.crypto.clone()).await?;
    Ok((store, rotation))
}

/// What reads stored requests again, with the drivers as `serve` would load them.
///
/// # Errors
/// When the database does not open, a built-in driver does not load, or a webhook secret would protect
/// nothing.
pub async fn again(config: &Config) -> Result<Again> {
    let (store, keys) = open(config).await?;
    let decisions = Approvals::stored(&store).await?;
    let drivers = plugins::start(&config.plugins, decisions, |kind, _| kind == PluginKind::Driver).await?;
    check_webhook_secrets(config, &drivers)?;
    let secrets = webhook_secrets(config, &store, &keys, &drivers).await?;
    Ok(Again::new(store, drivers, keys, secrets))
}

/// The same without any driver: what opens stored requests and lets them go, and reads none.
///
/// # Errors
/// When the database does not open.
pub async fn again_unread(config: &Config) -> Result<Again> {
    let (store, keys) = open(config).await?;
    let drivers = Arc::default();
    let secrets = webhook_secrets(config, &store, &keys, &drivers).await?;
    Ok(Again::new(store, drivers, keys, secrets))
}

/// What channels are managed with, and what is told through them: with the notifiers that are `wanted`.
///
/// # Errors
/// When the database does not open, or a built-in notifier does not load.
pub async fn channels(
    config: &Config,
    wanted: impl Fn(&PluginName) -> bool + Send + Sync + 'static,
) -> Result<deliver::Parts> {
    let only = move |kind, name: &PluginName| kind == PluginKind::Notifier && wanted(name);
    let (store, keys) = open(config).await?;
    let catalogue = plugins::start(&config.plugins, Approvals::stored(&store).await?, only).await?;
    delivering(config, store, keys, catalogue)
}

/// What delivers, with a way out of its own.
///
/// # Errors
/// When the settings of the way out cannot be used.
pub fn delivering(
    config: &Config,
    store: Store,
    keys: Arc<KeyRing>,
    catalogue: Arc<Catalogue>,
) -> Result<deliver::Parts> {
    let egress = Arc::new(Egress::open(&config.egress)?);
    let references = Arc::clone(&config.references);
    let templates = Arc::new(Templates::new(config.templates.folder.clone()));
    Ok(deliver::Parts { store, catalogue, keys, egress, references, templates })
}

/// What decides about plugins, over those that `serve` would load.
///
/// # Errors
/// When the database does not open, or a built-in plugin does not load.
pub async fn approvals(config: &Config) -> Result<Approvals> {
    let (store, _) = open(config).await?;
    let decisions = Approvals::stored(&store).await?;
    let manager = Manager::open(&config.plugins, decisions, Kept::of(&config.plugins), |_, _| true).await?;
    Ok(Approvals::new(store, manager))
}

/// What opens the results of stages.
///
/// # Errors
/// When the database does not open.
pub async fn outputs(config: &Config) -> Result<(Store, Outputs)> {
    let (store, keys) = open(config).await?;
    Ok((store.clone(), Outputs::new(store, keys)))
}

/// What asks providers, for a command.
///
/// # Errors
/// When the database does not open, or a built-in provider does not load.
pub async fn intelligence(config: &Config) -> Result<Intelligence> {
    let (store, keys) = open(config).await?;
    let only = |kind, _: &PluginName| kind == PluginKind::Intelligence;
    let catalogue = plugins::start(&config.plugins, Approvals::stored(&store).await?, only).await?;
    let machine = Arc::new(Machine::new());
    let checks = Arc::new(Checks::new(&config.checks.plan, Arc::clone(&machine)));
    let egress = Arc::new(Egress::open(&config.egress)?);
    Ok(Intelligence::new(intelligence::Parts { store, catalogue, keys, egress, machine, checks }, config))
}

/// The secrets that senders sign with: those of the settings and those that are stored.
///
/// # Errors
/// When the database does not answer.
pub async fn webhook_secrets(
    config: &Config,
    store: &Store,
    keys: &Arc<KeyRing>,
    catalogue: &Arc<Catalogue>,
) -> Result<Arc<WebhookSecrets>> {
    let sources = secret_sources(config, store, keys, catalogue);
    Ok(Arc::new(WebhookSecrets::load(sources).await?))
}

/// What these come from.
pub fn secret_sources(
    config: &Config,
    store: &Store,
    keys: &Arc<KeyRing>,
    catalogue: &Arc<Catalogue>,
) -> SecretSources {
    SecretSources {
        store: store.clone(),
        keys: Arc::clone(keys),
        references: Arc::clone(&config.references),
        catalogue: Arc::clone(catalogue),
        set: config.auth.webhook_secrets.clone(),
        required: config.auth.signature_required,
    }
}

/// Makes the checks of a plan once and takes what they say as alerts, as the schedule of `serve` does.
///
/// # Errors
/// When the database does not open, or does not take it.
pub async fn record_checks(config: &Config, plan: &Plan) -> Result<(Vec<CheckResult>, Option<Recorded>)> {
    let (store, keys) = open(config).await?;
    let (writer, handle) = Writer::new(store.clone(), Arc::default());
    let writing = tokio::spawn(writer.run());
    let checks = Arc::new(Checks::new(plan, Arc::new(Machine::new())));
    let recorder = Recorder::new(keys, handle);
    let done = SelfCheck::new(checks, recorder, config.checks.instance.clone()).round().await;
    writing.await?;
    store.close().await;
    Ok(done?)
}

/// Every route with what it needs, one a line: `GET /alerts key`.
pub fn routes() -> String {
    let line = |route: &http::Route| format!("{} {} {}\n", route.method, route.path, route.needs.name());
    http::ROUTES.iter().map(line).collect()
}

/// Everything that `serve` would stop at for a setting that was read and cannot be used.
pub async fn unusable(config: &Config) -> Vec<anyhow::Error> {
    let mut found = Vec::new();
    if let Some(files) = config.https.tls.clone() {
        let certificates = http::Certificates::open(files.certificate, files.key).await;
        found.extend(certificates.err().map(anyhow::Error::from));
    }
    found.extend(Admission::new(&config.limits).err());
    found.extend(Egress::open(&config.egress).err().map(anyhow::Error::from));
    found.extend(telemetry::filter(&config.telemetry).err());
    found
}

/// Serves until a signal says stop.
///
/// # Errors
/// When a part does not start; the text says which and what to do.
pub async fn serve(config: Config) -> Result<()> {
    export::start(&config.telemetry.export)?;
    let (store, rotation) = open_rotation(&config).await?;
    let (decisions, kept) = (Approvals::stored(&store).await?, Kept::of(&config.plugins).writing());
    let plugins = Manager::open(&config.plugins, decisions, kept, |_, _| true).await?;
    plugins.tell();
    let listener = http::listen(config.server.bind).with_context(|| {
        format!(
            "`WATCHBELL_BIND`: {} cannot be listened on\nhint: is another process there?",
            config.server.bind
        )
    })?;
    let certificates = match config.https.tls.clone() {
        Some(files) => Some(http::Certificates::open(files.certificate, files.key).await?),
        None => None,
    };
    let parts = Parts { certificates, ..Parts::new(&config, store, rotation, plugins).await? };
    parts.run(&config, listener).await
}

/// All long-lived parts, not yet started.
struct Parts {
    store: Store,
    context: Arc<http::Context>,
    certificates: Option<Arc<http::Certificates>>,
    rotation: Rotation,
    writer: Writer,
    pipeline: Pipeline,
    deliverer: Deliverer,
    /// None where checks are not made by schedule; it would keep the writer from ending.
    self_check: Option<(SelfCheck, Duration)>,
    channels: ChannelWatch,
    plugins: Arc<Manager>,
    plugin_watch: PluginWatch,
    wakes: Arc<Wakes>,
}

impl Parts {
    async fn new(config: &Config, store: Store, rotation: Rotation, plugins: Arc<Manager>) -> Result<Self> {
        let (keys, catalogue) = (rotation.ring(), Arc::clone(plugins.catalogue()));
        let wakes = Arc::new(Wakes::default());
        let (writer, handle) = Writer::new(store.clone(), Arc::clone(&wakes));
        let recorder = Recorder::new(Arc::clone(&keys), handle.clone());
        let channels = ChannelWatch::new(store.clone(), recorder, config.pipeline.channel_failing);
        check_webhook_secrets(config, &catalogue)?;
        let secrets = webhook_secrets(config, &store, &keys, &catalogue).await?;
        let admitting = Arc::clone(&secrets);
        plugins.admit_by(move |driver| admitting.admit(driver))?;
        let delivering = delivering(config, store.clone(), Arc::clone(&keys), Arc::clone(&catalogue))?;
        let machine = Arc::new(Machine::new());
        let checks = Arc::new(Checks::new(&config.checks.plan, Arc::clone(&machine)));
        let self_check = config.checks.every.map(|pause| {
            let recorder = Recorder::new(Arc::clone(&keys), handle.clone());
            (SelfCheck::new(Arc::clone(&checks), recorder, config.checks.instance.clone()), pause)
        });
        let asking = intelligence::Parts {
            store: store.clone(),
            catalogue: Arc::clone(&catalogue),
            keys: Arc::clone(&keys),
            egress: Arc::clone(&delivering.egress),
            machine,
            checks: Arc::clone(&checks),
        };
        let intelligence = Arc::new(Intelligence::new(asking, config));
        let approvals = Arc::new(Approvals::new(store.clone(), Arc::clone(&plugins)));
        let again =
            Again::new(store.clone(), Arc::clone(&catalogue), Arc::clone(&keys), Arc::clone(&secrets));
        let plugin_watch = PluginWatch::new(Arc::clone(&approvals), again.clone());
        let context = Arc::new(http::Context {
            store: store.clone(),
            authenticator: Arc::new(Authenticator::new(
                store.clone(),
                config.auth.api_key_auth_enabled,
                config.limits.auth_failures,
            )),
            trusted_proxies: config.limits.trusted_proxies.clone(),
            admission: Admission::new(&config.limits)?,
            says_unavailable: config.limits.says_unavailable,
            ingest: Ingest::new(Arc::clone(&catalogue), Arc::clone(&keys), Arc::clone(&secrets), handle),
            again,
            outputs: Outputs::new(store.clone(), Arc::clone(&keys)),
            channels: Channels::new(delivering.clone()),
            sender: Sender::new(delivering.clone()),
            catalogue: Arc::clone(&catalogue),
            plugins: Arc::clone(&plugins),
            approvals,
            webhook_secrets: secrets,
            intelligence: Arc::clone(&intelligence),
            metrics: metrics::start(clock::now())?,
            bodies: http::Bodies::new(config.server.body_limit_bytes, config.server.body_budget_bytes),
            wakes: Arc::clone(&wakes),
            presence: Arc::new(Presence::new(store.clone(), catalogue, &config.checks.instance)),
            https: config.https.clone(),
        });
        let pipeline = pipeline::Parts {
            store: store.clone(),
            keys: Arc::clone(&keys),
            checks,
            intelligence,
            retry: retry(&config.pipeline),
        };
        Ok(Self {
            store,
            context,
            certificates: None,
            rotation,
            writer,
            pipeline: Pipeline::new(pipeline, Arc::clone(&wakes)),
            deliverer: Deliverer::new(delivering, pace(config)),
            self_check,
            channels,
            plugins,
            plugin_watch,
            wakes,
        })
    }

    async fn run(self, config: &Config, listener: TcpListener) -> Result<()> {
        let (closing, stop) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(self.writer.run());
        let presence = Arc::clone(&self.context.presence);
        tasks.spawn(self.pipeline.run(pace(config), stop.clone()));
        tasks.spawn(self.deliverer.run(Arc::clone(&self.wakes), stop.clone()));
        let store = self.store.clone();
        tasks.spawn(hosts::pass_on(store, presence.id(), self.wakes, stop.clone()));
        tasks.spawn(jobs::time(self.store.clone(), stop.clone()));
        tasks.spawn(jobs::hosts(Arc::clone(&presence), stop.clone()));
        tasks.spawn(jobs::channels(self.channels, stop.clone()));
        tasks.spawn(jobs::checkpoints(self.store.clone(), stop.clone()));
        if let Some((self_check, pause)) = self.self_check {
            tasks.spawn(self_check.run(pause, stop.clone()));
        }
        let retention = Retention::new(self.store.clone(), config.retention.clone());
        tasks.spawn(jobs::retention(retention, stop.clone()));
        tasks.spawn(jobs::gauges(self.store.clone(), self.context.metrics.clone(), stop.clone()));
        tasks.spawn(jobs::keys(self.rotation, Arc::clone(&self.context.webhook_secrets), stop.clone()));
        tasks.spawn(jobs::plugins(self.plugin_watch, stop.clone()));
        let look = Arc::new(Notify::new());
        tasks.spawn(plugins::follow(self.plugins, Arc::clone(&look), stop.clone()));
        tasks.spawn(jobs::last_used(Arc::clone(&self.context.authenticator), stop.clone()));

        let address = listener.local_addr()?;
        warn_if_open(config);
        let mut signals = Signals::new(look)?;
        let certificates = self.certificates;
        let scheme = if certificates.is_some() { "https" } else { "http" };
        if let Some(certificates) = &certificates {
            tasks.spawn(Arc::clone(certificates).follow(stop.clone()));
        }
        let server = http::Server {
            connections: http::Connections::new(self.context),
            limits: limits(&config.server),
            most: config.server.connections,
            certificates,
        };
        let mut server = tokio::spawn(server.run(listener, closing.clone()));
        tracing::info!(server.address = %address, "listening on {scheme}://{address}");

        tokio::select! {
            () = signals.next() => {}
            broken = &mut server => broken?.context("the server broke off")?,
            // None of them ends by itself; without one of them the hub would take webhooks and tell nobody.
            Some(ended) = tasks.join_next() => {
                ended.context("a part of the hub broke off; it stops, to be started again")?;
                anyhow::bail!("a part of the hub ended; it stops, to be started again");
            }
        }
        closing.cancel();
        stop.cancel();
        drain(server, tasks, &mut signals, config.server.stop_timeout).await;
        // Where the database is away, this host stays listed for a while.
        let _left = tokio::time::timeout(LEAVE_WITHIN, presence.leave()).await;
        self.store.close().await;
        export::stop().await;
        Ok(())
    }
}

const fn retry(settings: &PipelineSettings) -> Policy {
    Policy {
        base: RUN_RETRY_BASE,
        factor: settings.backoff_factor,
        cap: RUN_RETRY_CAP,
        max_attempts: settings.max_attempts,
    }
}

const fn pace(config: &Config) -> Pace {
    Pace { most: config.pipeline.workers, poll: config.pipeline.poll }
}

fn limits(settings: &ServerSettings) -> http::Limits {
    http::Limits {
        head: settings.head_timeout,
        body: settings.read_timeout,
        answer: settings.write_timeout,
        idle: settings.idle_timeout,
    }
}

/// Lets what is under way end, for as long as there is patience.
async fn drain(
    server: JoinHandle<std::io::Result<()>>,
    mut tasks: JoinSet<()>,
    signals: &mut Signals,
    patience: Duration,
) {
    tracing::info!("stopping: no new requests; a second signal stops at once");
    let all = async {
        // Requests under way still need the writer; it ends when the last of them is gone.
        if let Ok(Err(error)) = server.await {
            tracing::warn!("the server did not stop cleanly: {error}");
        }
        while tasks.join_next().await.is_some() {}
    };
    let how = tokio::select! {
        () = signals.next() => "at once",
        drained = tokio::time::timeout(patience, all) => match drained {
            Ok(()) => "with nothing under way",
            Err(_) => "with work under way, which is taken up at the next start",
        },
    };
    tracing::info!("stopped {how}");
}

/// Refuses secrets that would protect nothing or let nothing in; tells all of them at once.
///
/// # Errors
/// With each variable and what is wrong with it.
pub fn check_webhook_secrets(config: &Config, catalogue: &Catalogue) -> Result<()> {
    let problems = ingest::defects(&config.auth.webhook_secrets, &config.references, catalogue);
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

fn warn_if_open(config: &Config) {
    if !config.auth.api_key_auth_enabled {
        tracing::warn!("API_KEY_AUTH_ENABLED=0: everybody who reaches this port may send and read alerts");
    }
    if let Some(warning) = config.limits.split_counting(&config.database.url) {
        tracing::warn!("{warning}");
    }
}

/// SIGTERM and SIGINT, which stop the hub, and SIGHUP, which has it look at its plugins again.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    look: Arc<Notify>,
}

impl Signals {
    fn new(look: Arc<Notify>) -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            look,
        })
    }

    /// Waits for one that stops.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => self.look.notify_one(),
            }
        }
    }
}
