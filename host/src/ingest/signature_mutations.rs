//! A million requests that nobody signed, made from some that were.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::*;
use super::{Signed, Timestamp, Vector, rules, vectors};

const THREADS: u64 = 4;
const EACH: usize = 250_000;
const NOW: i64 = 1_700_000_000;

/// A request on its way, and what the hub checks it with.
#[derive(Debug)]
struct Request {
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    now: i64,
    secret: String,
}

impl Request {
    fn of(vector: &Vector) -> Self {
        let headers = vector.headers.iter().map(|(name, value)| (*name, value.clone().into_bytes()));
        Self {
            headers: headers.collect(),
            body: vector.body.to_vec(),
            now: NOW,
            secret: vector.secret.to_owned(),
        }
    }

    /// Nothing where HTTP itself forbids such a header.
    fn accepted(&self, schemes: &[SignatureScheme]) -> Option<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, http::HeaderValue::from_bytes(value).ok()?);
        }
        let rules = rules(&[&self.secret]);
        let signed = Signed { body: &self.body, received_at: Timestamp::from_millis(self.now * 1000) };
        Some(verify("acme", schemes, &rules, &headers, signed).is_ok())
    }

    /// Whether this says what was signed and nothing else. Capitals among hexadecimal digits, the padding
    /// of base64, blanks around the entries of a list and other entries say nothing.
    fn says(&self, signed: &Vector) -> bool {
        let is_there = |(name, original): &(&str, String)| {
            let mut found = self.headers.iter().filter(|(found, _)| found == name);
            let (Some((_, value)), None) = (found.next(), found.next()) else { return false };
            let Ok(value) = std::str::from_utf8(value) else { return false };
            let is_signature = name.ends_with("signature") || name.ends_with("256");
            if is_signature { has_entry(value, original) } else { value == original }
        };
        let is_fresh = signed.headers.len() == 1 || self.now.abs_diff(NOW) <= 300;
        is_fresh
            // HMAC fills short keys up with zeros: with zeros behind it a key is the same.
            && self.secret.trim_end_matches('\0') == signed.secret
            && self.body == signed.body
            && signed.headers.iter().all(is_there)
    }
}

/// Whether one of the first ten entries is one of the original's.
fn has_entry(value: &str, original: &str) -> bool {
    let (separator, prefixes): (&str, &[&str]) = match original.get(..3) {
        Some("v1=") => (",", &["v1="]),
        Some("v1,") => (" ", &["v1,"]),
        _ => ("\n", &["sha256=", ""]),
    };
    let plain = |text: &str| {
        let text = if separator == "," { text.trim() } else { text };
        let bare = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        Some(if separator == " " { bare.trim_end_matches('=').to_owned() } else { bare.to_ascii_lowercase() })
    };
    let signed: Vec<String> = original.split(separator).filter_map(plain).collect();
    value.split(separator).take(10).filter_map(plain).any(|entry| signed.contains(&entry))
}

/// The vectors, and what their signatures say besides.
fn signed() -> Vec<Vector> {
    let mut signed = vectors();
    // Where nobody names the header with the time, these bytes are what was signed. No driver finds
    // JSON in them; and a name in `plugins.toml` closes the door.
    let timed = signed.iter().find(|vector| vector.name == "grafana with a time").unwrap();
    signed.push(Vector {
        name: "grafana with a time in the body",
        schemes: timed.schemes.clone(),
        secret: timed.secret,
        headers: vec![timed.headers[0].clone()],
        body: br#"1700000000:{"status":"firing"}"#,
    });
    signed
}

fn index(random: &mut StdRng, length: usize) -> usize {
    random.random_range(0..length.max(1))
}

fn flip(random: &mut StdRng, bytes: &mut [u8]) {
    let place = index(random, bytes.len());
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << random.random_range(0..8);
    }
}

fn insert(random: &mut StdRng, bytes: &mut Vec<u8>, what: &[u8]) {
    let place = random.random_range(0..=bytes.len());
    bytes.splice(place..place, what.iter().copied());
}

fn pick<'a>(random: &mut StdRng, choices: &[&'a str]) -> &'a str {
    choices[index(random, choices.len())]
}

const BLANKS: [&str; 8] = [" ", "\t", "\u{a0}", "\u{200b}", "\u{feff}", "\u{2003}", "\r\n", "\0"];
const PREFIXES: [&str; 12] =
    ["V1=", "v1:", "v1=v1=", "v2=", "v1a,", "v2,", "v1,v1,", "SHA256=", "sha1=", "sha256:", "0x", "="];
const TIMES: [&str; 8] =
    ["+1700000000", "-1700000000", "01700000000", "1.7e9", "1700000000.0", "0", "", "١٧"];
const SEPARATORS: [&str; 8] = [",", ", ", ";", " ", "  ", "|", ",,", ",v1="];
const JUNK: [&str; 6] = ["v1=", "v1=00", "v1,AAAA", "v2=abcd", "sha256=00", "\""];

/// Changes one thing, in one of the ways that attackers and mistakes change things.
fn mutate(random: &mut StdRng, request: &mut Request, others: &[Vector]) {
    let chosen = index(random, request.headers.len());
    let body_kinds = 5;
    let kind = random.random_range(0..21);
    if kind < body_kinds {
        return mutate_body(random, kind, &mut request.body, others);
    }
    match kind {
        5 => request.secret = format!("{}{}", request.secret, pick(random, &["x", " ", "="])),
        6 => {
            let mut secret = request.secret.clone().into_bytes();
            flip(random, &mut secret);
            request.secret = String::from_utf8_lossy(&secret).into_owned();
        }
        7 => request.now += random.random_range(301..1 << 40) * if random.random() { 1 } else { -1 },
        8 => drop(request.headers.remove(chosen)),
        9 => {
            let repeated = request.headers[chosen].clone();
            request.headers.push(repeated);
        }
        10 => {
            let other = &others[index(random, others.len())];
            let (name, value) = &other.headers[index(random, other.headers.len())];
            request.headers.push((*name, value.clone().into_bytes()));
        }
        11 => {
            let other = &others[index(random, others.len())];
            request.headers = Request::of(other).headers;
        }
        // Signed headers moved into the body.
        12 => {
            let (_, value) = request.headers.remove(chosen);
            let between = pick(random, &[":", ".", "", "\n"]);
            request.body = [&value, between.as_bytes(), &request.body].concat();
        }
        _ => mutate_value(random, kind, &mut request.headers[chosen].1),
    }
}

fn mutate_body(random: &mut StdRng, kind: u32, body: &mut Vec<u8>, others: &[Vector]) {
    match kind {
        0 => flip(random, body),
        1 => body.truncate(index(random, body.len())),
        2 => {
            let byte = [random.random::<u8>()];
            insert(random, body, &byte);
        }
        3 => {
            let blank = pick(random, &BLANKS);
            insert(random, body, blank.as_bytes());
        }
        _ => *body = others[index(random, others.len())].body.to_vec(),
    }
}

fn mutate_value(random: &mut StdRng, kind: u32, value: &mut Vec<u8>) {
    match kind {
        13 => flip(random, value),
        14 => value.truncate(index(random, value.len())),
        15 => {
            let byte = [random.random_range(b'!'..=b'~')];
            insert(random, value, &byte);
        }
        16 => {
            let blank = pick(random, &BLANKS);
            insert(random, value, blank.as_bytes());
        }
        17 => {
            let prefix = pick(random, &PREFIXES).as_bytes();
            let old = value.iter().position(|byte| b"=,".contains(byte)).filter(|place| *place < 8);
            value.splice(..old.map_or(0, |place| place + 1), prefix.iter().copied());
        }
        18 => {
            let place = index(random, value.len());
            if let Some(byte) = value.get_mut(place) {
                *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 1 };
            }
        }
        19 => {
            let (junk, separator) = (pick(random, &JUNK), pick(random, &SEPARATORS));
            let times = random.random_range(1..15);
            let mut list = format!("{junk}{separator}").repeat(times).into_bytes();
            list.append(value);
            // Half of a signature here, the other half there.
            if random.random() {
                insert(random, &mut list, separator.as_bytes());
            }
            *value = list;
        }
        _ => {
            let shifted = NOW + random.random_range(-100_000..100_000);
            let time = pick(random, &TIMES).to_owned();
            *value = if random.random() { time } else { shifted.to_string() }.into_bytes();
        }
    }
}

/// Tries so many that say something else than what was signed; the first that passes is a failure.
fn attack(seed: u64) -> usize {
    let vectors = signed();
    let kin: Vec<Vec<&Vector>> = vectors
        .iter()
        .map(|one| vectors.iter().filter(|other| other.schemes == one.schemes).collect())
        .collect();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut tried, mut harmless) = (0, 0);
    while tried < EACH {
        let chosen = index(&mut random, vectors.len());
        let vector = &vectors[chosen];
        let mut request = Request::of(vector);
        for _ in 0..random.random_range(1..=2) {
            if !request.headers.is_empty() {
                mutate(&mut random, &mut request, &vectors);
            }
        }
        if kin[chosen].iter().any(|signed| request.says(signed)) {
            harmless += 1;
            continue;
        }
        let accepted = request.accepted(&vector.schemes);
        assert_ne!(accepted, Some(true), "seed {seed}, made from `{}`: {request:?}", vector.name);
        tried += usize::from(accepted.is_some());
    }
    assert!(harmless < tried / 5, "most mutations must change something, {harmless} did not");
    tried
}

#[test]
fn of_a_million_mutated_requests_none_is_accepted() {
    let tried: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || attack(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(tried, 1_000_000);
}

#[test]
fn the_judge_knows_what_was_signed() {
    for vector in signed() {
        let mut request = Request::of(&vector);
        assert_eq!(request.accepted(&vector.schemes), Some(true), "{}", vector.name);
        assert!(request.says(&vector), "{}", vector.name);
        request.body.push(b' ');
        assert!(!request.says(&vector), "{}", vector.name);
    }
}
