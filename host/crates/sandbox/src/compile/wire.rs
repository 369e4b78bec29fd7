//! How parent and child talk: limits and component in, native code or a reason out.

use std::io::{self, Read, Write};

use super::CompileLimits;

/// Changes with the form of either direction.
const GREETING: [u8; 8] = *b"compile1";
const COMPILED: u8 = b'C';
const REFUSED: u8 = b'R';

/// What the child must know before it reads anything that others made.
pub(super) struct Request {
    pub(super) cpu_s: u64,
    pub(super) memory_bytes: u64,
}

impl Request {
    pub(super) const fn new(limits: &CompileLimits) -> Self {
        let cpu_s = limits.cpu.as_secs();
        Self { cpu_s: if cpu_s == 0 { 1 } else { cpu_s }, memory_bytes: limits.memory_bytes }
    }

    pub(super) fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&GREETING)?;
        to.write_all(&self.cpu_s.to_le_bytes())?;
        to.write_all(&self.memory_bytes.to_le_bytes())
    }

    /// None where it is not the parent who talks.
    pub(super) fn read(from: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut greeting = [0; GREETING.len()];
        from.read_exact(&mut greeting)?;
        if greeting != GREETING {
            return Ok(None);
        }
        Ok(Some(Self { cpu_s: number(from)?, memory_bytes: number(from)? }))
    }
}

/// What the child found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Compiled(Vec<u8>),
    Refused(String),
    /// More than the parent takes.
    TooLong,
    /// It ended before its answer did.
    Broken,
}

pub(super) fn answer(to: &mut dyn Write, outcome: Result<&[u8], &str>) -> io::Result<()> {
    let (word, bytes) = match outcome {
        Ok(compiled) => (COMPILED, compiled),
        Err(detail) => (REFUSED, detail.as_bytes()),
    };
    to.write_all(&[word])?;
    to.write_all(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

pub(super) fn read_answer(from: &mut dyn Read, limit: u64) -> Answer {
    let mut word = [0];
    let Ok(length) = from.read_exact(&mut word).and_then(|()| number(from)) else { return Answer::Broken };
    if length > limit {
        return Answer::TooLong;
    }
    let mut bytes = Vec::new();
    match from.take(length).read_to_end(&mut bytes) {
        Ok(read) if u64::try_from(read) == Ok(length) => match word {
            [COMPILED] => Answer::Compiled(bytes),
            [REFUSED] => Answer::Refused(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Answer::Broken,
        },
        _ => Answer::Broken,
    }
}

fn number(from: &mut dyn Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_arrive_whole_or_are_known_to_be_broken() {
        let mut sent = Vec::new();
        answer(&mut sent, Ok(b"native")).unwrap();
        assert_eq!(read_answer(&mut sent.as_slice(), 6), Answer::Compiled(b"native".to_vec()));
        assert_eq!(read_answer(&mut sent.as_slice(), 5), Answer::TooLong);
        for cut in 0..sent.len() {
            assert_eq!(read_answer(&mut &sent[..cut], 6), Answer::Broken, "{cut}");
        }
        let mut refused = Vec::new();
        answer(&mut refused, Err("no")).unwrap();
        assert_eq!(read_answer(&mut refused.as_slice(), 6), Answer::Refused("no".to_owned()));
        refused[0] = b'?';
        assert_eq!(read_answer(&mut refused.as_slice(), 6), Answer::Broken);
    }

    #[test]
    fn limits_arrive_and_strangers_are_known() {
        let mut sent = Vec::new();
        Request::new(&CompileLimits::default()).write(&mut sent).unwrap();
        let request = Request::read(&mut sent.as_slice()).unwrap().unwrap();
        assert_eq!((request.cpu_s, request.memory_bytes), (30, 512 << 20));
        assert!(Request::read(&mut b"\0asm\x0d\0\x01\0".as_slice()).unwrap().is_none());
    }
}
