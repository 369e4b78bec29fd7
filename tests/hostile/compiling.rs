//! Components that cost their compiler too much, and compiled code that is not what it should be.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use domain::limits::Limits;
use domain::plugin::{Outcome, PluginKind, Wasi};
use domain::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sandbox::{
    Cache, CompileLimits, Compiler, ComponentFile, LoadError, LoadRequest, LoadStep, Plugin, Sandbox,
    Settings,
};
use sha2::Sha256;
use tempfile::TempDir;

use crate::driver::{Alert, Driver};
use crate::harness::{Lines, subject, webhook};

const KEY: [u8; 32] = [7; 32];
/// Magic, digest of the component, hash of the engine, MAC.
const HEADER: usize = 16 + 32 + 32 + 32;

/// A driver whose one alert has this name.
fn driver(alert: &str) -> Vec<u8> {
    let alert = Alert { name: alert.as_bytes().to_vec(), ..Driver::default().alert };
    Driver { alert, ..Driver::default() }.build()
}

fn sandbox_with(compiler: Compiler, compile_limits: CompileLimits, cache: Option<Cache>) -> Sandbox {
    let settings = Settings {
        slots: 16,
        reserved_for_drivers: 8,
        compiler,
        compile_limits,
        cache,
        ..Settings::default()
    };
    Sandbox::new(&settings).unwrap()
}

/// Loads a driver; returns what loading said, too.
fn load(sandbox: &Sandbox, component: &[u8]) -> (Result<Plugin, LoadError>, Vec<String>) {
    let said = RefCell::new(Vec::new());
    let (name, file) = (subject(), ComponentFile::new(component.into()));
    let limits = Limits { wall: Duration::from_secs(60), ..Limits::of(PluginKind::Driver) };
    let request =
        LoadRequest { kind: PluginKind::Driver, name: &name, file: &file, limits, wasi: Wasi::None };
    let loaded = sandbox.load(&request, &|step: LoadStep| said.borrow_mut().push(step.to_string()));
    (loaded, said.into_inner())
}

/// The name of the alert that a loaded driver makes.
async fn alert_of(loaded: Result<Plugin, LoadError>) -> String {
    let Plugin::Driver(driver) = loaded.unwrap() else { panic!("a driver was loaded") };
    let parsed = driver.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await.unwrap();
    let Outcome::Alerts(alerts) = parsed.outcome else { panic!("it makes an alert") };
    alerts[0].name.clone()
}

/// A cache directory, and a sandbox on it as after a start of the hub.
struct Kept(TempDir);

impl Kept {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "files have the machine's time")]
    fn start(&self, key: [u8; 32]) -> Sandbox {
        let cache = Cache::open(self.0.path(), Secret::new(key), SystemTime::now()).unwrap();
        sandbox_with(Compiler::InProcess, CompileLimits::default(), Some(cache))
    }

    fn path(&self, component: &[u8]) -> PathBuf {
        self.0.path().join(format!("{}.native", ComponentFile::new(component.into()).digest()))
    }

    /// What the hub itself keeps of a component.
    fn genuine(&self, component: &[u8]) -> Vec<u8> {
        load(&self.start(KEY), component).0.unwrap();
        std::fs::read(self.path(component)).unwrap()
    }
}

#[tokio::test]
async fn second_start_loads_from_the_cache_and_checks_as_before() {
    let (kept, component) = (Kept::new(), driver("Honest"));
    let (loaded, said) = load(&kept.start(KEY), &component);
    assert!(said.iter().any(|line| line.starts_with("compiled to")), "{said:?}");
    assert_eq!(alert_of(loaded).await, "Honest");
    let (loaded, said) = load(&kept.start(KEY), &component);
    assert!(said.iter().any(|line| line.ends_with("from the cache")), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("compiled to")), "{said:?}");
    for check in
        ["imports and exports fit", "says that it is", "types of the contract", "reads its own sample"]
    {
        assert!(said.iter().any(|line| line.contains(check)), "{check}: {said:?}");
    }
    assert_eq!(alert_of(loaded).await, "Honest");
}

/// Puts something in the place of a cached file and loads: it is ignored with this reason, replaced,
/// and the driver is the honest one.
async fn check_ignored(why: &str, put: impl FnOnce(&Kept, &Path)) {
    let (kept, honest) = (Kept::new(), driver("Honest"));
    let genuine = kept.genuine(&honest);
    put(&kept, &kept.path(&honest));
    let (loaded, said) = load(&kept.start(KEY), &honest);
    let ignored = said
        .iter()
        .find(|line| line.contains("is ignored and replaced"))
        .unwrap_or_else(|| panic!("{said:?}"));
    assert!(ignored.contains(why), "{ignored}");
    assert_eq!(alert_of(loaded).await, "Honest");
    let path = kept.path(&honest);
    assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(std::fs::read(&path).unwrap(), genuine, "it was replaced");
    let (_, said) = load(&kept.start(KEY), &honest);
    assert!(said.iter().any(|line| line.ends_with("from the cache")), "{said:?}");
}

const NOT_AUTHENTIC: &str = "it was changed, or not written under this secret key";

#[tokio::test]
async fn code_of_another_component_behind_a_genuine_header_is_not_run() {
    check_ignored(NOT_AUTHENTIC, |kept, path| {
        let evil = kept.genuine(&driver("Evil"));
        let genuine = std::fs::read(path).unwrap();
        std::fs::write(path, [&genuine[..HEADER], &evil[HEADER..]].concat()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn genuine_file_of_another_component_is_not_run() {
    check_ignored("it belongs to another component", |kept, path| {
        std::fs::write(path, kept.genuine(&driver("Evil"))).unwrap();
    })
    .await;
}

#[tokio::test]
async fn code_written_under_another_key_is_not_run() {
    check_ignored(NOT_AUTHENTIC, |kept, path| {
        std::fs::remove_file(path).unwrap();
        load(&kept.start([8; 32]), &driver("Honest")).0.unwrap();
        assert!(path.is_file());
    })
    .await;
}

#[tokio::test]
async fn changed_byte_and_cut_file_are_not_run() {
    for at in [0, 20, 60, 100, HEADER, 5000] {
        check_ignored("it", |_, path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[at] ^= 0x10;
            std::fs::write(path, bytes).unwrap();
        })
        .await;
    }
    for length in [0, HEADER - 1, HEADER, 5000] {
        check_ignored("it", |_, path| {
            std::fs::write(path, &std::fs::read(path).unwrap()[..length]).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn code_for_another_engine_is_not_run() {
    check_ignored("it was compiled by another version", |_, path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[60] ^= 1;
        let (head, code) = (bytes[..HEADER - 32].to_vec(), bytes[HEADER..].to_vec());
        let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
        mac.update(&head);
        mac.update(&code);
        std::fs::write(path, [head, mac.finalize().into_bytes().to_vec(), code].concat()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn link_to_code_is_not_followed() {
    check_ignored("it is not a regular file", |kept, path| {
        let elsewhere = kept.0.path().join("elsewhere");
        std::fs::rename(path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere, path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn code_compiled_ahead_of_time_is_no_plugin() {
    let kept = Kept::new();
    let file = kept.genuine(&driver("Honest"));
    for bytes in [&file[..], &file[HEADER..]] {
        let error = load(&kept.start(KEY), bytes).0.unwrap_err();
        assert_eq!(error.error_type(), "load.not_wasm");
        assert!(error.to_string().contains("files compiled ahead of time are never taken"), "{error}");
    }
}

/// An honest driver with one more core module in it, which nothing uses: this many functions of this
/// many steps. It has to be compiled all the same.
fn bomb(functions: u32, steps: u32) -> Vec<u8> {
    // `(local.set 1 (i64.add (i64.mul (local.get 0) (local.get 1)) (local.get 0)))`
    let step = [0x20, 0, 0x20, 1, 0x7e, 0x20, 0, 0x7c, 0x21, 1];
    let body = [vec![0], step.repeat(steps as usize), vec![0x20, 1, 0x0b]].concat();
    let body = [leb(body.len()), body].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // One type: two `i64` in, one out, so that no step is superfluous.
    module.extend(section(1, &[1, 0x60, 2, 0x7e, 0x7e, 1, 0x7e]));
    module.extend(section(3, &[leb(functions as usize), vec![0; functions as usize]].concat()));
    module.extend(section(10, &[leb(functions as usize), body.repeat(functions as usize)].concat()));
    [driver("Bomb"), section(1, &module)].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// The real compiler: the program under test, started for each component.
fn child(program: PathBuf) -> Compiler {
    Compiler::Child { program, arguments: vec!["compile-component".to_owned()] }
}

/// Compiles a bomb under these limits; meanwhile and afterwards an honest driver answers.
async fn explode(component: Vec<u8>, limits: CompileLimits) -> Result<Plugin, LoadError> {
    let sandbox = sandbox_with(child(tests::binary()), limits, None);
    let honest = sandbox.load_driver(&subject(), &driver("Honest"), Limits::of(PluginKind::Driver)).unwrap();
    let mut bomb = tokio::task::spawn_blocking({
        let sandbox = sandbox.clone();
        move || load(&sandbox, &component).0
    });
    let outcome = loop {
        let parsed = honest.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await;
        assert!(matches!(parsed.unwrap().outcome, Outcome::Alerts(_)));
        match tokio::time::timeout(Duration::from_millis(5), &mut bomb).await {
            Ok(outcome) => break outcome.unwrap(),
            Err(_still_compiling) => {}
        }
    };
    assert_eq!(alert_of(load(&sandbox, &driver("Next")).0).await, "Next");
    outcome
}

async fn check_stopped(component: Vec<u8>, limits: CompileLimits, text: &str) {
    let error = explode(component, limits).await.unwrap_err();
    assert_eq!(error.error_type(), "load.compile_limit", "{error}");
    let shown = error.to_string();
    assert!(shown.contains("`subject` was not compiled: ") && shown.contains(text), "{shown}");
    assert!(shown.contains("\nhint: "), "{shown}");
}

const ROOMY: CompileLimits = CompileLimits {
    cpu: Duration::from_secs(120),
    wall: Duration::from_secs(600),
    memory_bytes: 8 << 30,
    output_bytes: 256 << 20,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_compiling_is_stopped_by_its_processor_time() {
    let many = bomb(1000, 2000);
    let text = "more than 1s of processor time";
    check_stopped(many.clone(), CompileLimits { cpu: Duration::from_secs(1), ..ROOMY }, text).await;
    explode(many, ROOMY).await.expect("the raised limit lets it through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greedy_compiling_is_stopped_by_its_memory() {
    let large = bomb(1, 300_000);
    check_stopped(large.clone(), CompileLimits { memory_bytes: 256 << 20, ..ROOMY }, "more than 256 MiB")
        .await;
    explode(large, ROOMY).await.expect("the raised limit lets it through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_code_of_any_length_is_not_taken() {
    let many = bomb(200, 1000);
    let error = explode(many.clone(), CompileLimits { output_bytes: 1 << 20, ..ROOMY }).await;
    assert!(error.unwrap_err().to_string().contains("more than 1 MiB"));
    explode(many, ROOMY).await.expect("the raised limit lets it through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_compiler_leaves_no_process() {
    // The name of a process that has ended but was not waited for is all that is left of it.
    let folder = tempfile::tempdir().unwrap();
    let name = "watchbell-trace";
    let program = folder.path().join(name);
    std::os::unix::fs::symlink(tests::binary(), &program).unwrap();
    let limits = CompileLimits { wall: Duration::from_millis(300), ..ROOMY };
    let sandbox = sandbox_with(child(program), limits, None);
    let error = load(&sandbox, &bomb(200, 2000)).0.unwrap_err();
    assert!(matches!(error, LoadError::CompileLimit { .. }), "{error}");
    for entry in std::fs::read_dir("/proc").unwrap() {
        // Processes of others come and go.
        let Ok(stat) = std::fs::read_to_string(entry.unwrap().path().join("stat")) else { continue };
        assert!(!stat.contains(&format!("({name})")), "{stat}");
    }
}

#[tokio::test]
async fn what_the_compiler_refuses_is_told_by_the_child_as_by_the_process() {
    // A function that leaves its operand on the stack.
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(10, &[1, 4, 0, 0x42, 0, 0x0b]),
    ];
    let broken = [driver("Broken"), section(1, &module.concat())].concat();
    let told = |compiler| {
        let sandbox = sandbox_with(compiler, CompileLimits::default(), None);
        let error = load(&sandbox, &broken).0.unwrap_err();
        assert_eq!(error.error_type(), "load.compile");
        error.to_string()
    };
    assert_eq!(told(child(tests::binary())), told(Compiler::InProcess));
}
