//! The whole table against one sandbox: every call ends as named, and nothing of it remains.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::{CallError, Compiler, LoadError, Sandbox, Settings, TrapKind};

use crate::case::{Case, Ended, Ends, Loaded, Plugin, Proof, driver_limits, notifier_limits};
use crate::catalogue::files::{self, File, components_in_components, functions, types_in_types};
use crate::catalogue::{MIB, calls};
use crate::gauge::{Holdings, ThreadClock};
use crate::harness::{alone, block_on, is_clean, new_sandbox, subject};
use crate::witness::{answer, answers_beside, honest};

/// How often each component is tried.
const TIMES: usize = 25;
/// The same for files, which are compiled each time.
const LOADS: usize = 5;
/// How far behind its limit a call may end.
const OVERSHOOT: Duration = Duration::from_millis(50);
/// What a driver's quick first try may use before the call proper begins: a tick.
const FIRST_TRY: Duration = Duration::from_millis(10);

#[test]
fn hostile_calls_end_as_named_and_leave_nothing_behind() {
    alone("suite::hostile_calls_end_as_named_and_leave_nothing_behind", || {
        let sandbox = new_sandbox();
        let honest = honest(&sandbox);
        let cases: Vec<(Case, Loaded)> = calls().into_iter().map(|case| loaded(&sandbox, case)).collect();
        check_names(cases.iter().map(|(case, _)| case.name), 100);
        let mut faults = vec![];
        let answers = answers_beside(&honest, || {
            // The first round fills pools and allocators, which keep what they have.
            faults.extend(cases.iter().filter_map(|case| try_once(case).err()));
            let before = Holdings::now();
            for case in &cases {
                faults.extend((1..TIMES).filter_map(|_| try_once(case).err()));
            }
            faults.extend(before.leaked());
        });
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(answers > 1000, "{answers} answers of the honest driver");
    });
}

/// One trick, one component: at least so many, each under a name of its own.
fn check_names<'a>(names: impl Iterator<Item = &'a str>, least: usize) {
    let names: Vec<&str> = names.collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len(), "a name is there twice");
    assert!(names.len() >= least, "{} components", names.len());
}

fn loaded(sandbox: &Sandbox, case: Case) -> (Case, Loaded) {
    let loaded = case.plugin.load(sandbox, case.limits);
    let loaded = loaded.unwrap_or_else(|error| panic!("`{}` was not loaded: {error}", case.name));
    (case, loaded)
}

fn try_once((case, loaded): &(Case, Loaded)) -> Result<(), String> {
    let clock = ThreadClock::start();
    let ended = block_on(loaded.call());
    let in_time = in_time(case, &ended, &clock);
    case.ends.compare(ended).and(in_time).map_err(|fault| format!("{}: {fault}", case.name))
}

/// Whether a call ended soon after its limit: by its own account, by the clock of the thread that
/// asked for it, and, where it may wait, by the time that passed.
///
/// A driver's long call has a thread of its own, which may wait for a processor on a busy machine: of its
/// wall time only what it ran counts.
fn in_time(case: &Case, ended: &Ended, clock: &ThreadClock) -> Result<(), String> {
    let (cpu, own_time) = (clock.cpu(), clock.own_time());
    let used = ended.spent.cpu;
    let is_late = matches!(
        ended.outcome.as_ref().err().and_then(CallError::as_trap).map(|trap| &trap.kind),
        Some(TrapKind::Wall { .. })
    );
    let passed = match case.plugin {
        _ if !is_late => Duration::ZERO,
        Plugin::Driver(..) => used,
        Plugin::Notifier(..) => own_time,
    };
    let late = used > case.limits.cpu + OVERSHOOT
        || cpu > case.limits.cpu + FIRST_TRY + OVERSHOOT
        || passed > case.limits.wall + FIRST_TRY + OVERSHOOT;
    if late {
        let (limit, wall) = (case.limits.cpu, case.limits.wall);
        return Err(format!(
            "says {used:?}, used {cpu:?} of CPU, limit {limit:?}; {own_time:?}, limit {wall:?}"
        ));
    }
    Ok(())
}

impl Holdings {
    /// What this process holds more than then.
    fn leaked(self) -> Option<String> {
        let now = Self::now();
        let memory = now.memory.saturating_sub(self.memory);
        let same = (now.descriptors, now.threads) == (self.descriptors, self.threads);
        (!same || memory > 16 * MIB as u64).then(|| format!("something is left: {self:?}, then {now:?}"))
    }
}

#[test]
fn each_limit_is_the_one_that_ends_the_call() {
    let sandbox = new_sandbox();
    let mut faults = vec![];
    for case in calls() {
        let (plugin, limits, ends) = match &case.proof {
            Proof::Raised(limits, ends) => (&case.plugin, *limits, *ends),
            Proof::Benign(plugin) => (plugin, case.limits, Ends::Answered),
        };
        let ended = plugin.load(&sandbox, limits).map(|loaded| ends.compare(block_on(loaded.call())));
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => faults.push(format!("{} with its limit out of the way: {fault}", case.name)),
            Err(error) => faults.push(format!("{} with its limit out of the way: {error}", case.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn load(sandbox: &Sandbox, is_notifier: bool, bytes: &[u8]) -> Result<(), LoadError> {
    if is_notifier {
        return sandbox.load_notifier(&subject(), bytes, notifier_limits()).map(drop);
    }
    sandbox.load_driver(&subject(), bytes, driver_limits()).map(drop)
}

#[test]
fn refused_files_are_named_and_leave_nothing_behind() {
    alone("suite::refused_files_are_named_and_leave_nothing_behind", || {
        let sandbox = new_sandbox();
        let honest = honest(&sandbox);
        let files = files::cases();
        check_names(files.iter().map(|file| file.name), 60);
        let mut faults = vec![];
        let answers = answers_beside(&honest, || {
            faults.extend(files.iter().filter_map(|file| refuse(&sandbox, file).err()));
            faults.extend(files.iter().filter_map(|file| take(&sandbox, file).err()));
            let before = Holdings::now();
            for file in &files {
                faults.extend((1..LOADS).filter_map(|_| refuse(&sandbox, file).err()));
            }
            faults.extend(before.leaked());
        });
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(answers > 1000, "{answers} answers of the honest driver");
    });
}

fn refuse(sandbox: &Sandbox, file: &File) -> Result<(), String> {
    let File { name, bytes, refused: (error_type, text), is_notifier, .. } = file;
    let Err(error) = load(sandbox, *is_notifier, bytes) else {
        return Err(format!("{name}: was taken instead of `{error_type}`"));
    };
    let message = error.to_string();
    let is_named =
        error.error_type() == *error_type && message.contains("`subject`") && message.contains(text);
    // A hostile file must not write the operator's log either.
    if is_named && is_clean(&message) && message.len() < 1000 {
        return Ok(());
    }
    Err(format!("{name}: `{}` instead of `{error_type}`, {message:?} without {text:?}", error.error_type()))
}

/// What differs only in the trick is a plugin.
fn take(sandbox: &Sandbox, file: &File) -> Result<(), String> {
    let Some(bytes) = &file.taken else { return Ok(()) };
    load(sandbox, file.is_notifier, bytes)
        .map_err(|error| format!("{}, the harmless form: {error}", file.name))
}

/// Some files break the compiler itself, which has no bound for everything. It is a process of its
/// own for that.
#[test]
fn files_that_end_the_compiler_end_nothing_else() {
    let compiler =
        Compiler::Child { program: tests::binary(), arguments: vec!["compile-component".to_owned()] };
    let sandbox = Sandbox::new(&Settings { compiler, ..Settings::default() }).unwrap();
    let honest = honest(&sandbox);
    for (bytes, error_type, text, taken) in [
        (types_in_types(1_000_000), "load.compile", "compiler's process broke off", types_in_types(1000)),
        (components_in_components(20_000), "load.compile_limit", "of memory", components_in_components(100)),
        (functions(1_000_001), "load.compile", "", functions(5000)),
    ] {
        let error = load(&sandbox, false, &bytes).expect_err(error_type);
        assert_eq!(error.error_type(), error_type, "{error}");
        assert!(error.to_string().contains(text) && is_clean(&error.to_string()), "{error}");
        block_on(answer(&honest));
        load(&sandbox, false, &taken).expect("a smaller one is only odd");
    }
}
