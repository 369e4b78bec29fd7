//! Times as senders write them.
//!
//! A parser of its own: a calendar library would be half of a driver's size, and all that is needed
//! is the distance of a written instant from 1970.

/// A time read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instant {
    /// Nothing was given: empty text, zero, or a time of the year 1 (Go's zero time, which
    /// Alertmanager and Grafana write for "not yet").
    Absent,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    At(i64),
    /// Text that is no time, or one outside 1970 to 2200 (the bounds of the contract).
    Unreadable,
}

/// No time is written with more bytes; a body may hold millions of digits.
const MAX_BYTES: usize = 64;

/// 2200-01-01T00:00:00Z, in milliseconds.
const END_MS: i64 = 7_258_118_400_000;

impl Instant {
    /// Reads RFC 3339, its looser relatives, or a number.
    ///
    /// Accepted: a date with or without a time; `T` or a space between them; seconds and fractions
    /// may be missing; zone `Z`, `+02:00`, `+0200`, `+02` or none, which counts as UTC. A number is
    /// Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by its size.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "0" {
            return Self::Absent;
        }
        if text.starts_with("0001-01-01") {
            return Self::Absent;
        }
        if text.len() > MAX_BYTES {
            return Self::Unreadable;
        }
        match number(text).or_else(|| calendar(text.as_bytes())) {
            Some(ms) if (0..END_MS).contains(&ms) => Self::At(ms),
            _ => Self::Unreadable,
        }
    }

    /// The milliseconds, where there are any.
    pub fn ms(self) -> Option<i64> {
        match self {
            Self::At(ms) => Some(ms),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// Writes an instant as RFC 3339 in UTC: `2026-06-01T12:00:00Z`, with milliseconds where there are any.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn rfc3339(ms: i64) -> String {
    let (seconds, fraction) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Reads the date of an HTTP header: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.trim().strip_suffix("GMT")?.split_ascii_whitespace().skip(1);
    let day = words.next()?.parse().ok()?;
    let month_name = words.next()?;
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month_name)?.0;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    Some((seconds_to_midnight(year, month, day)? + seconds_of_day(hour, minute, second)?) * 1_000)
}

/// Unix time of any usual unit, as milliseconds.
fn number(text: &str) -> Option<i64> {
    // The bounds lie a factor of 50 beyond today's figure in the smaller unit.
    const SECONDS_BELOW: i64 = 100_000_000_000;
    const MILLISECONDS_BELOW: i64 = 100_000_000_000_000;
    const MICROSECONDS_BELOW: i64 = 100_000_000_000_000_000;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = whole.parse().ok()?;
    Some(if value < SECONDS_BELOW {
        value * 1_000 + milliseconds(fraction.as_bytes())
    } else if value < MILLISECONDS_BELOW {
        value
    } else if value < MICROSECONDS_BELOW {
        value / 1_000
    } else {
        value / 1_000_000
    })
}

/// A date, and what may follow it.
fn calendar(text: &[u8]) -> Option<i64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    expect(&mut rest, b"-")?;
    let month = digits(&mut rest, 2)?;
    expect(&mut rest, b"-")?;
    let day = digits(&mut rest, 2)?;
    let midnight = seconds_to_midnight(year, month, day)?;
    if rest.is_empty() {
        return Some(midnight * 1_000);
    }
    expect(&mut rest, b"Tt ")?;
    let hour = digits(&mut rest, 2)?;
    expect(&mut rest, b":")?;
    let minute = digits(&mut rest, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if expect(&mut rest, b":").is_some() {
        second = digits(&mut rest, 2)?;
        if expect(&mut rest, b".,").is_some() {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (found, after) = rest.split_at_checked(length).filter(|(found, _)| !found.is_empty())?;
            fraction = milliseconds(found);
            rest = after;
        }
    }
    let local = midnight + seconds_of_day(hour, minute, second)?;
    Some((local - offset_s(rest)?) * 1_000 + fraction)
}

/// The zone at the end of a time, in seconds east of UTC.
fn offset_s(mut rest: &[u8]) -> Option<i64> {
    if let Some((b' ', zone)) = rest.split_first() {
        rest = zone;
    }
    let east = match rest {
        b"" | b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    expect(&mut rest, b"+-")?;
    let hours = digits(&mut rest, 2)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        let _ = expect(&mut rest, b":");
        digits(&mut rest, 2)?
    };
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(east * (hours * 3_600 + minutes * 60))
}

/// The first three digits of a fraction, as milliseconds. What follows is cut off, not rounded.
fn milliseconds(fraction: &[u8]) -> i64 {
    let tenths = fraction.iter().copied().chain(std::iter::repeat(b'0'));
    tenths.take(3).fold(0, |sum, byte| sum * 10 + i64::from(byte.saturating_sub(b'0')))
}

/// Takes exactly `count` digits from the front.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (found, after) = rest.split_at_checked(count)?;
    let value = found
        .iter()
        .try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
    *rest = after;
    Some(value)
}

/// Takes one byte from the front if it is one of `wanted`.
fn expect(rest: &mut &[u8], wanted: &[u8]) -> Option<()> {
    let (byte, after) = rest.split_first()?;
    wanted.contains(byte).then(|| *rest = after)
}

/// Seconds from 1970 to the beginning of a day of the Gregorian calendar.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn seconds_to_midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=days_in_month).contains(&day) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * 86_400)
}

/// Seconds since midnight. A leap second counts as the second before it, as POSIX time has it.
fn seconds_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    valid.then(|| hour * 3_600 + minute * 60 + second.min(59))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_times_agree_with_a_calendar_library() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59.999Z",
            "2024-01-08T10:00:00+02:00",
            "2026-05-05T13:04:57.62281314Z",
            "2026-08-22T10:15:30.123-11:30",
            "2100-03-01T00:00:00Z",
            "2199-12-31T23:59:59Z",
        ] {
            let expected: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(Instant::read(text), Instant::At(expected.as_millisecond()), "{text}");
        }
        let first: jiff::civil::Date = "1970-01-01".parse().unwrap();
        for day in 0..84_000 {
            let date = first + jiff::Span::new().days(day);
            assert_eq!(Instant::read(&date.to_string()), Instant::At(day * 86_400_000), "{date}");
            assert_eq!(rfc3339(day * 86_400_000), format!("{date}T00:00:00Z"));
        }
    }

    #[test]
    fn looser_forms_mean_the_same_instant() {
        let expected = Instant::At(1_704_708_000_000);
        for text in [
            "2024-01-08T10:00:00Z",
            " 2024-01-08 10:00:00 ",
            "2024-01-08T10:00",
            "2024-01-08 12:00:00 +0200",
            "2024-01-08t08:00:00-02",
            "2024-01-08T10:00:00,0000000001Z",
            "1704708000",
            "1704708000.000",
            "1704708000000",
            "1704708000000000",
            "1704708000000000000",
        ] {
            assert_eq!(Instant::read(text), expected, "{text}");
        }
        assert_eq!(Instant::read("1704708000.25"), Instant::At(1_704_708_000_250));
    }

    #[test]
    fn a_zero_time_is_no_time() {
        for text in ["", "0", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"] {
            assert_eq!(Instant::read(text), Instant::Absent, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_said_to_be_none() {
        for text in [
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2023-02-29",
            "2024-01-08T24:00:00Z",
            "2024-01-08T10:00:00+2:00",
            "2024-01-08T10:00:00.Z",
            "2024-01-08T10:00:00Z junk",
            "1969-12-31T23:59:59Z",
            "2200-01-01T00:00:00Z",
            "99999999999999999999999",
            "-5",
            "true",
            "{}",
            "2024-01-0é",
            &"1".repeat(65),
        ] {
            assert_eq!(Instant::read(text), Instant::Unreadable, "{text}");
        }
    }

    #[test]
    fn a_written_instant_reads_as_itself() {
        assert_eq!(rfc3339(1_780_315_200_000), "2026-06-01T12:00:00Z");
        assert_eq!(rfc3339(1_780_315_199_007), "2026-06-01T11:59:59.007Z");
        assert_eq!(Instant::read("2026-06-01T11:59:59.007Z"), Instant::At(1_780_315_199_007));
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
        assert_eq!(http_date("soon"), None);
    }
}
