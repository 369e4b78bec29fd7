//! The side of the hub: start the child, feed it, read no more than agreed, and leave nothing behind.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::wire::{Answer, Request, read_answer};
use super::{CompileLimits, Failure};
use crate::load_error::CompileLimit;

/// How much of what the child says about its end is kept.
const COMPLAINT_BYTES: u64 = 4096;
/// How often a child that has closed its output is asked whether it has ended: it is about to.
const ENDING: Duration = Duration::from_millis(1);

/// A child that is killed and waited for, however the parent leaves.
struct Kept(Child);

impl Kept {
    /// Its end, if it comes in time.
    fn end(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.0.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(ENDING),
                ended => return Ok(ended),
            }
        }
    }

    fn stop(&mut self) {
        // Neither can go wrong with a child of one's own; one that has ended is no longer signalled.
        let _signalled = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Has a component compiled. Blocks, at most for the wall limit.
pub(super) fn run(
    program: &Path,
    arguments: &[String],
    limits: &CompileLimits,
    component: &[u8],
) -> Result<Vec<u8>, Failure> {
    let begin = Instant::now();
    let deadline = begin.checked_add(limits.wall).unwrap_or(begin);
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    thread::scope(|scope| {
        // Owned in here: when this closure ends, so does the child, and with it the threads that
        // read from it, which the scope waits for.
        let mut child = Kept(command.spawn().map_err(Failure::Start)?);
        let (Some(stdin), Some(mut stdout), Some(stderr)) =
            (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take())
        else {
            return Err(Failure::Start(io::Error::other("a child without pipes")));
        };
        let helper = |name: &str| Builder::new().name(format!("compile-{name}"));
        helper("in").spawn_scoped(scope, || feed(stdin, limits, component)).map_err(Failure::Start)?;
        let complaint =
            helper("err").spawn_scoped(scope, || read_complaint(stderr)).map_err(Failure::Start)?;
        let (send, answer) = mpsc::channel();
        let output_bytes = limits.output_bytes;
        helper("out")
            .spawn_scoped(scope, move || send.send(read_answer(&mut stdout, output_bytes)))
            .map_err(Failure::Start)?;
        match answer.recv_timeout(limits.wall) {
            Ok(Answer::Compiled(native)) => Ok(native),
            Ok(Answer::Refused(detail)) => Err(Failure::Refused(detail)),
            Ok(Answer::TooLong) => {
                Err(Failure::Limit(CompileLimit::Output { limit_bytes: limits.output_bytes }))
            }
            Ok(Answer::Broken) => {
                let ended = child.end(deadline).map_err(Failure::Start)?;
                child.stop();
                Err(cause(ended, &complaint.join().unwrap_or_default(), limits))
            }
            Err(_) => Err(wall(limits)),
        }
    })
}

/// A child that does not want all of it says why in its answer or by its end.
fn feed(mut stdin: ChildStdin, limits: &CompileLimits, component: &[u8]) {
    let _fed = Request::new(limits).write(&mut stdin).and_then(|()| stdin.write_all(component));
}

/// Keeps the beginning and reads the rest, so that the child never waits for us.
fn read_complaint(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let read = stderr.by_ref().take(COMPLAINT_BYTES).read_to_end(&mut kept);
    let _rest = read.and_then(|_| io::copy(&mut stderr, &mut io::sink()));
    String::from_utf8_lossy(&kept).into_owned()
}

const fn wall(limits: &CompileLimits) -> Failure {
    Failure::Limit(CompileLimit::Wall { limit: limits.wall })
}

/// Why a child ended without an answer.
fn cause(ended: Option<ExitStatus>, complaint: &str, limits: &CompileLimits) -> Failure {
    let Some(status) = ended else { return wall(limits) };
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Failure::Limit(CompileLimit::Cpu { limit: limits.cpu });
    }
    // The standard library's last words when the allocator has nothing left.
    if complaint.contains("memory allocation of") {
        return Failure::Limit(CompileLimit::Memory { limit_bytes: limits.memory_bytes });
    }
    let said = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Failure::Crash(format!("it ended with {status} and said: {}", crate::inspect::printable(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: CompileLimits = CompileLimits {
        cpu: Duration::from_secs(1),
        wall: Duration::from_millis(300),
        memory_bytes: 1 << 30,
        output_bytes: 1024,
    };

    /// Runs a shell in place of the compiler.
    fn shell(script: &str) -> Result<Vec<u8>, Failure> {
        run(Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()], &SECOND, &[0; 100_000])
    }

    #[test]
    fn child_that_does_not_end_is_killed_at_the_wall_limit() {
        let begin = Instant::now();
        let failure = shell("exec sleep 60").unwrap_err();
        assert!(matches!(failure, Failure::Limit(CompileLimit::Wall { .. })));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        let closes_its_output = shell("exec >&-; exec sleep 60").unwrap_err();
        assert!(matches!(closes_its_output, Failure::Limit(CompileLimit::Wall { .. })));
    }

    #[test]
    fn more_than_agreed_is_not_read() {
        let failure = shell(r"printf 'C\001\004\000\000\000\000\000\000'; exec cat /dev/zero").unwrap_err();
        assert!(matches!(failure, Failure::Limit(CompileLimit::Output { limit_bytes: 1024 })));
    }

    #[test]
    fn end_of_a_child_is_told_with_its_words() {
        let crash = |script: &str| match shell(script) {
            Err(Failure::Crash(how)) => how,
            _ => panic!("`{script}` is a crash"),
        };
        assert!(crash("echo went wrong >&2; exit 3").contains("exit status: 3 and said: went wrong"));
        assert!(crash("kill -SEGV $$").contains("signal: 11"));
        assert!(crash("head -c 1000000 /dev/zero >&2; exit 1").contains("exit status: 1"));
        let memory = shell("echo memory allocation of 8 bytes failed >&2; kill -ABRT $$").unwrap_err();
        assert!(matches!(memory, Failure::Limit(CompileLimit::Memory { .. })));
        assert!(matches!(shell("kill -XCPU $$"), Err(Failure::Limit(CompileLimit::Cpu { .. }))));
    }

    #[test]
    fn program_that_is_not_there_is_told() {
        let failure = run(Path::new("/nowhere/compiler"), &[], &SECOND, b"");
        assert!(matches!(failure, Err(Failure::Start(_))));
    }
}
