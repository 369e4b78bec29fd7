//! Bodies on their way in: each up to its limit, and all of them together up to theirs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::ingest::{ContentEncoding, Payload, TooLarge};

/// How long a body is read and thrown away.
const DISCARD_FOR: Duration = Duration::from_secs(2);
/// How many times the largest body is read and thrown away at most. Who sends ten times too much should see the
/// 413 too, and not a broken connection.
const DISCARDED_LIMITS: usize = 16;
/// How many bodies are decoded at once; others wait. Each takes a thread, and up to 8 MiB for its window.
const DECODED_AT_ONCE: usize = 4;
/// What a header takes beside its name and value: a guess.
const HEADER_BYTES: usize = 64;
/// How often it is told that there is no room.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Reads bodies.
pub struct Bodies {
    limit_bytes: usize,
    /// One permit for each byte that may be held.
    room: Arc<Semaphore>,
    decoders: Arc<Semaphore>,
    told: Mutex<Option<Instant>>,
}

/// Room for a request, given back when this goes.
///
/// Invariant: who works on a body holds the room for it until the request is answered.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

/// A body that came whole.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) payload: Payload,
    pub(super) room: Room,
}

/// Why a body is not taken.
enum Stop {
    Broken(axum::Error),
    Refused(Problem),
}

impl Bodies {
    /// Each of up to `limit_bytes`; all that are held at one moment, with their heads, of up to
    /// `budget_bytes`, and beyond that nothing more is taken.
    pub fn new(limit_bytes: usize, budget_bytes: usize) -> Self {
        Self {
            limit_bytes,
            room: Arc::new(Semaphore::new(budget_bytes.min(Semaphore::MAX_PERMITS))),
            decoders: Arc::new(Semaphore::new(DECODED_AT_ONCE)),
            told: Mutex::default(),
        }
    }

    /// The largest body.
    pub(super) const fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Reads a body to its end, and decodes it.
    ///
    /// # Errors
    /// [`Problem`]: an encoding that is not known, too large, too slow, broken off, or no room.
    pub(super) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Taken, Problem> {
        let (encoding, bytes, room) = match self.keep(headers, &mut body).await {
            Ok(kept) => kept,
            Err(Stop::Broken(error)) => return Err(Problem::from_body(&error)),
            Err(Stop::Refused(problem)) => {
                let most = self.limit_bytes.saturating_mul(DISCARDED_LIMITS);
                discard(asks_first(headers), &mut body, most).await;
                return Err(problem);
            }
        };
        match encoding {
            ContentEncoding::Identity => Ok(Taken { payload: Payload::Plain(bytes), room }),
            _ => self.decode(encoding, bytes, room).await,
        }
    }

    /// Room is taken for what has come and not for what is announced: announcing costs nothing.
    async fn keep(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<(ContentEncoding, Vec<u8>, Room), Stop> {
        let encoding = ContentEncoding::of(headers).ok_or_else(|| Stop::Refused(unknown_encoding()))?;
        if body.size_hint().lower() > self.limit_bytes as u64 {
            return Err(Stop::Refused(self.too_large("")));
        }
        let mut room = self.room(size(headers)).map_err(Stop::Refused)?;
        let mut kept = Vec::new();
        while let Some(frame) = body.frame().await {
            // Trailers are no part of what is read.
            let Ok(data) = frame.map_err(Stop::Broken)?.into_data() else { continue };
            if kept.len().saturating_add(data.len()) > self.limit_bytes {
                return Err(Stop::Refused(self.too_large("")));
            }
            room.0.merge(self.room(data.len()).map_err(Stop::Refused)?.0);
            kept.extend_from_slice(&data);
        }
        Ok((encoding, kept, room))
    }

    /// Decodes elsewhere than on the threads that answer.
    async fn decode(
        &self,
        encoding: ContentEncoding,
        sent: Vec<u8>,
        mut room: Room,
    ) -> Result<Taken, Problem> {
        let limit = self.limit_bytes;
        let turn = Arc::clone(&self.decoders).acquire_owned().await;
        let mut most = self.room(limit)?;
        // Turn and room go along: a caller that leaves meanwhile makes room for others only when the work ends.
        let work = move || {
            let decoded = encoding.decode(sent, limit);
            drop(turn);
            if let Ok(Payload::Decoded { body, .. }) = &decoded
                && let Some(needed) = most.0.split(body.len())
            {
                room.0.merge(needed);
            }
            (decoded, room)
        };
        let (decoded, room) = tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(error.r#type = "decoding", "a body could not be decoded: {error}");
            Problem::unavailable()
        })?;
        let payload = decoded.map_err(|TooLarge| self.too_large(" when it is decoded"))?;
        Ok(Taken { payload, room })
    }

    fn room(&self, bytes: usize) -> Result<Room, Problem> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(permits).map(Room).map_err(|_| {
            self.tell();
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many requests are being read at this moment, and nothing of this one was stored; try again",
            )
        })
    }

    fn tell(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                "all memory for requests is in use; more are answered 503 until some of it is free\n\
                 hint: raise `WATCHBELL_BODY_BUDGET_MIB` if these are honest senders and there is memory"
            );
        }
    }

    fn too_large(&self, when: &str) -> Problem {
        let detail = format!("the body is over {} bytes{when}", self.limit_bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }
}

fn unknown_encoding() -> Problem {
    let detail = format!(
        "`Content-Encoding` must be one of {}; send the body again in one of them",
        ContentEncoding::ACCEPTED
    );
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown-encoding", detail)
}

/// How much memory the head of a request takes, give or take.
fn size(headers: &HeaderMap) -> usize {
    let size = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        name.as_str().len().saturating_add(value.len()).saturating_add(HEADER_BYTES)
    };
    headers.iter().map(size).fold(0, usize::saturating_add)
}

/// Whether the sender waits for a word before it sends its body.
pub(super) fn asks_first(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

/// Reads on and keeps nothing; tells whether the body ended.
///
/// A sender that is still writing when its connection closes may see that instead of the answer, so up to
/// `most` bytes are read first. Who asks first gets its answer without sending.
pub(super) async fn discard(asks_first: bool, body: &mut Body, most: usize) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if asks_first {
        return false;
    }
    let read = async {
        let mut seen = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
            if seen > most {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DISCARD_FOR, read).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    async fn read(bodies: &Bodies, body: &[u8]) -> Result<Taken, (u16, &'static str)> {
        let taken = bodies.read(&HeaderMap::new(), Body::from(body.to_vec())).await;
        taken.map_err(|problem| (problem.status.as_u16(), problem.kind))
    }

    #[tokio::test]
    async fn bodies_that_are_held_leave_no_room_and_give_it_back() {
        let bodies = Bodies::new(LIMIT, 2 * LIMIT + 500);
        let full = [0; LIMIT];
        let (one, two) = (read(&bodies, &full).await.unwrap(), read(&bodies, &full).await.unwrap());
        assert_eq!(read(&bodies, &full).await.unwrap_err(), (503, "busy"));
        assert!(read(&bodies, &[0; 500]).await.is_ok(), "what fits is taken");
        drop((one, two));
        assert_eq!(bodies.room.available_permits(), 2 * LIMIT + 500);
    }

    #[tokio::test]
    async fn heads_take_room_too() {
        let bodies = Bodies::new(LIMIT, LIMIT);
        let mut headers = HeaderMap::new();
        headers.insert("x-large", "v".repeat(LIMIT).parse().unwrap());
        assert_eq!(bodies.read(&headers, Body::empty()).await.unwrap_err().kind, "busy");
        assert_eq!(bodies.room.available_permits(), LIMIT);
    }

    #[tokio::test]
    async fn a_decoded_body_holds_what_it_became_and_what_it_was() {
        let bodies = Bodies::new(LIMIT, 3 * LIMIT);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, &[0; 900]).unwrap();
        let sent = encoder.finish().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        let before = sent.len() + size(&headers);
        let taken = bodies.read(&headers, Body::from(sent)).await.unwrap();
        assert_eq!(bodies.room.available_permits(), 3 * LIMIT - 900 - before);
        drop(taken);
        assert_eq!(bodies.room.available_permits(), 3 * LIMIT);
    }

    #[tokio::test]
    async fn a_refused_body_holds_nothing() {
        let bodies = Bodies::new(LIMIT, 3 * LIMIT);
        assert_eq!(read(&bodies, &[0; LIMIT + 1]).await.unwrap_err(), (413, "too-large"));
        assert_eq!(bodies.room.available_permits(), 3 * LIMIT);
    }
}
