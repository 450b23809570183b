//! Whatever is done to an export is told, and by its name.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::to_raw_value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;
use crate::{
    evidence::{Checkpoint, Signer},
    log::{Frontier, RawEvent},
    vault::VaultRow,
};

const EVENTS: i64 = 24;
const ORIGIN: &str = "example.com/log";

fn moment() -> DateTime<Utc> {
    "2026-01-01T12:00:00.000001Z".parse().unwrap()
}

/// Of three streams, with whatever JSON and bytes may be in them.
fn event(position: i64) -> RawEvent {
    let text = [
        r#"{"Plain":1}"#,
        "{\"Escaped\":\"\\\"J*\\n\u{e9}\u{2028}\u{1f600}\"}",
        "",
    ];
    let stream = position % 3;
    let payload = match position {
        7 => vec![0xff, 0x00, 0x0a],
        _ => text[usize::try_from(stream).unwrap()].into(),
    };
    RawEvent {
        position,
        aggregate_type: "user".to_owned(),
        aggregate_id: Uuid::from_u128(stream.unsigned_abs().into()),
        version: (position + 2) / 3,
        event_type: "Happened".to_owned(),
        schema_version: 1,
        payload,
        metadata: br#"{"actor":"system"}"#.to_vec(),
        // Several are of one commit.
        recorded_at: moment() + TimeDelta::microseconds(position / 4),
    }
}

fn events() -> Vec<RawEvent> {
    (1..=EVENTS).map(event).collect()
}

fn key(subject: u128) -> VaultRow {
    VaultRow::SubjectKey {
        subject_id: Uuid::from_u128(subject),
        master_key_id: "0123456789abcdef".to_owned(),
        wrapped: vec![7; 72],
        created_at: moment(),
    }
}

fn header(events: &[RawEvent], has_vault: bool) -> Header {
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        made_at: moment(),
        as_of: None,
        events: u64::try_from(events.len()).unwrap(),
        opened: has_vault,
        vault: has_vault.then(|| vec!["0123456789abcdef".to_owned()]),
    }
}

fn written(events: &[RawEvent], has_vault: bool) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), header(events, has_vault)).unwrap();
    for event in events {
        let opened = has_vault.then(|| to_raw_value(&"Ada").unwrap());
        writer.event(event.clone(), opened).unwrap();
    }
    if has_vault {
        writer.vault(key(1)).unwrap();
        writer.vault(key(2)).unwrap();
    }
    writer.end().unwrap()
}

fn lines(export: &[u8]) -> Vec<Vec<u8>> {
    export
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn read(export: &[u8]) -> Verified {
    verify(export, Vec::new(), || {}).unwrap()
}

fn told(export: &[u8]) -> Vec<String> {
    read(export).flaws.iter().map(Flaw::to_string).collect()
}

/// The positions that are told of.
fn positions(export: &[u8]) -> Vec<(i64, i64)> {
    let flaws = read(export).flaws;
    flaws.iter().filter_map(|flaw| flaw.positions).collect()
}

/// Lines 2 to 25 hold the events.
fn is_event(line: usize) -> bool {
    (1..=usize::try_from(EVENTS).unwrap()).contains(&line)
}

#[test]
fn what_was_written_is_read_as_it_was() {
    for has_vault in [false, true] {
        let export = written(&events(), has_vault);
        let mut reader = Reader::open(export.as_slice()).unwrap();
        assert_eq!(reader.first_line(), Some(&header(&events(), has_vault)));
        let (mut found, mut rows) = (Vec::new(), Vec::new());
        while let Some(line) = reader.next().unwrap() {
            match line {
                Line::Event(exported) => found.push(exported.event),
                Line::Vault(row) => rows.push(row),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reader.flaws(), []);
        assert_eq!(found, events());
        assert_eq!(rows.len(), if has_vault { 2 } else { 0 });
    }
    assert_eq!(told(&written(&[], false)), [""; 0]);
}

/// Whether a flaw names this line, or the event that it holds.
fn is_named(flaw: &Flaw, line: usize) -> bool {
    let position = i64::try_from(line).unwrap();
    let number = u64::try_from(line).unwrap() + 1;
    match (flaw.positions, flaw.line) {
        (Some((from, to)), _) => (from..=to).contains(&position),
        // What follows an altered end is told with the next line.
        (None, told) => !is_event(line) && told.is_some_and(|told| told.abs_diff(number) <= 1),
    }
}

#[test]
fn every_flipped_bit_is_told_with_the_position_of_its_event() {
    let export = written(&events(), true);
    let mut start = 0;
    // What was read of the lines before is the same for every bit of this one.
    let mut before: Option<Reader<&[u8]>> = None;
    for (nth, line) in lines(&export).into_iter().enumerate() {
        for bit in 0..line.len() * 8 {
            let mut rest = export[start..].to_vec();
            rest[bit / 8] ^= 1 << (bit % 8);
            let mut reader = match &before {
                Some(before) => before.clone(),
                None => Reader::open(rest.as_slice()).unwrap(),
            };
            if before.is_some() {
                reader.source = rest.as_slice();
            }
            while reader.flaws().is_empty() && reader.next().unwrap().is_some() {}
            let flaw = &reader.flaws()[0];
            assert!(is_named(flaw, nth), "bit {bit} of line {}: {flaw}", nth + 1);
        }
        match &mut before {
            Some(reader) => drop(reader.next().unwrap()),
            None => before = Some(Reader::open(export.as_slice()).unwrap()),
        }
        start += line.len();
    }
}

#[test]
fn what_follows_from_a_flipped_bit_is_not_told_as_well() {
    let export = written(&events(), false);
    let first = lines(&export)[0].len();
    let last = lines(&export)[25].len();
    for at in (first..export.len() - last).step_by(7) {
        for bit in [0, 3, 6] {
            let mut flipped = export.clone();
            flipped[at] ^= 1 << bit;
            let flaws = told(&flipped);
            // With the end of a line the next one is lost.
            let at_most = if export[at] == b'\n' { 2 } else { 1 };
            assert!((1..=at_most).contains(&flaws.len()), "{at}: {flaws:?}");
        }
    }
}

#[test]
fn every_removed_event_is_told() {
    let lines = lines(&written(&events(), false));
    for removed in 1..=EVENTS {
        let mut lines = lines.clone();
        lines.remove(usize::try_from(removed).unwrap());
        let says = format!("the event at position {removed} is missing");
        assert_eq!(told(&lines.concat()), [says]);
    }
    let rest = [&lines[..5], &lines[9..]].concat();
    assert_eq!(
        told(&rest.concat()),
        ["the events at positions 5 to 8 are missing"]
    );
}

#[test]
fn every_two_that_are_swapped_are_told() {
    let lines = lines(&written(&events(), false));
    for first in 1..EVENTS {
        let (one, other) = (usize::try_from(first).unwrap(), first + 1);
        let mut lines = lines.clone();
        lines.swap(one, one + 1);
        let says = format!(
            "the event at position {first} stands after the one at position {other}: the two are swapped"
        );
        assert_eq!(told(&lines.concat()), [says]);
    }
    let mut far = lines.clone();
    far.swap(4, 20);
    let says = [
        "the event at position 5 stands after the one at position 20",
        "the event at position 4 stands after the one at position 19",
    ];
    assert_eq!(told(&far.concat()), says);
    // The others are no events.
    for (one, other) in [(0, 1), (24, 25)] {
        let mut lines = lines.clone();
        lines.swap(one, other);
        assert_ne!(told(&lines.concat()), [""; 0]);
    }
}

#[test]
fn what_was_added_is_told() {
    let export = written(&events(), true);
    let lines = lines(&export);
    for at in 1..lines.len() {
        let mut twice = lines.clone();
        twice.insert(at, lines[5].clone());
        let flaws = told(&twice.concat());
        // Between 4 and 5 it is the second that is too much, which nobody can tell apart.
        let says = "the event at position 5 is there a second time";
        assert!(
            flaws.iter().any(|flaw| flaw == says) || at < 5,
            "{at}: {flaws:?}"
        );
        assert!(!flaws.is_empty(), "{at}");
        let mut more = lines.clone();
        more.insert(at, b"{}\n".to_vec());
        assert!(
            told(&more.concat())
                .iter()
                .any(|flaw| flaw.contains("is not as it was written")),
            "{at}"
        );
    }
    let after = [export.as_slice(), &lines[5]].concat();
    assert_eq!(told(&after), ["line 29 follows what should be the last"]);
    let one_more = lines_of_another_event();
    let mut appended = self::lines(&written(&events(), false));
    appended.insert(25, one_more);
    let says = "the event at position 25 is beyond the last that the first line tells of";
    assert_eq!(told(&appended.concat())[0], says);
}

/// The line of the event after the last, as it would be written.
fn lines_of_another_event() -> Vec<u8> {
    let events: Vec<RawEvent> = (1..=EVENTS + 1).map(event).collect();
    lines(&written(&events, false)).swap_remove(25)
}

#[test]
fn what_was_cut_off_is_told() {
    let export = written(&events(), false);
    let lines = lines(&export);
    for kept in 1..lines.len() {
        let flaws = told(&lines[..kept].concat());
        let missing = match EVENTS - i64::try_from(kept).unwrap() + 1 {
            0 => None,
            1 => Some("the event at position 24 is missing".to_owned()),
            _ => Some(format!("the events at positions {kept} to 24 are missing")),
        };
        let cut = format!("line {kept} is the last, and is no end of an export: it was cut off");
        let says: Vec<String> = missing.into_iter().chain([cut]).collect();
        assert_eq!(flaws, says);
    }
    for length in (0..export.len()).step_by(11) {
        assert_ne!(told(&export[..length]), [""; 0], "{length}");
    }
}

#[test]
fn rows_of_the_vault_cannot_be_taken_away_or_moved() {
    let lines = lines(&written(&events(), true));
    let mut fewer = lines.clone();
    fewer.remove(26);
    assert_eq!(
        told(&fewer.concat()),
        ["line 27 tells of another number of rows of the vault"]
    );
    let mut moved = lines.clone();
    moved.swap(25, 26);
    let says = "line 28 tells of another file: a line was altered, added, removed or moved";
    assert_eq!(told(&moved.concat()), [says]);
}

#[test]
fn what_is_written_in_another_way_is_told() {
    let export = written(&events(), false);
    let mut lines = lines(&export);
    let line = String::from_utf8(lines[4].clone()).unwrap();
    let content = line.rsplit_once(r#","sha256""#).unwrap().0;
    for other in [
        content.replacen(r#""position":4"#, r#""position": 4"#, 1),
        content.replacen(r#""position":4"#, r#""more":1,"position":4"#, 1),
        content.replacen(r#""position":4,"#, r#""position":3,"position":4,"#, 1),
        content.replacen("user", "\\u0075ser", 1),
        content.replacen(r#""payload":"#, r#""payload_base64":"e30=","payload":"#, 1),
        content.replacen("Z\"", "0Z\"", 1),
    ] {
        assert_ne!(other, content);
        let sum = STANDARD.encode(Sha256::digest(&other));
        lines[4] = format!("{other},\"sha256\":\"{sum}\"}}\n").into_bytes();
        assert_eq!(
            told(&lines.concat()),
            ["the event at position 4 is not as it was written, in line 5"],
            "{other}"
        );
    }
}

#[test]
fn another_format_is_told() {
    let events = events();
    for header in [
        Header {
            version: 2,
            ..header(&events, false)
        },
        Header {
            format: "another".to_owned(),
            ..header(&events, false)
        },
    ] {
        let mut writer = Writer::begin(Vec::new(), header).unwrap();
        for event in &events {
            writer.event(event.clone(), None).unwrap();
        }
        let flaws = told(&writer.end().unwrap());
        assert!(
            flaws[0].starts_with("line 1 says that this is version"),
            "{flaws:?}"
        );
    }
}

#[test]
fn a_stream_with_a_gap_and_a_clock_that_ran_backwards_are_told() {
    let mut gap = events();
    gap[9].version += 1;
    assert_eq!(
        told(&written(&gap, false)),
        ["the event at position 10 has version 5 of its stream, which was at 3"]
    );
    let mut lines = lines(&written(&events(), false));
    let mut early = event(10);
    early.recorded_at = moment();
    let leaf = early.leaf();
    let exported = Exported {
        event: early,
        leaf,
        opened: None,
    };
    lines[10] = Line::Event(Box::new(exported))
        .to_text()
        .unwrap()
        .into_bytes();
    lines[10].push(b'\n');
    assert_eq!(
        told(&lines.concat())[0],
        "the event at position 10 was recorded before the one before it"
    );
}

/// Checkpoints of the true log, signed.
fn checkpoints(sizes: &[u64]) -> Vec<Checkpoint> {
    let signer = Signer::new(ORIGIN, &[7; 32]).unwrap();
    let mut checkpoints = Vec::new();
    for size in sizes {
        let events: Vec<RawEvent> = (1..=EVENTS + 9)
            .map(event)
            .take(usize::try_from(*size).unwrap())
            .collect();
        let root = read(&written(&events, false)).root;
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: *size,
            root,
        };
        let note = checkpoint.sign(&signer);
        checkpoints.push(Checkpoint::open(&note, &signer.verifier_key()).unwrap());
    }
    checkpoints
}

fn judgements(events: &[RawEvent], sizes: &[u64]) -> (Vec<Judgement>, u64, bool) {
    let export = written(events, false);
    let verified = verify(export.as_slice(), checkpoints(sizes), || {}).unwrap();
    assert_eq!(verified.flaws, [], "a forger makes no mistake");
    let judged = verified
        .judged
        .iter()
        .map(|judged| judged.judgement)
        .collect();
    (judged, verified.vouched(), verified.is_good())
}

#[test]
fn checkpoints_agree_with_the_true_log() {
    use Judgement::Agrees;
    assert_eq!(
        judgements(&events(), &[0, 1, 17, 17, 24]),
        (vec![Agrees; 5], 24, true)
    );
    assert_eq!(judgements(&events(), &[20, 3]), (vec![Agrees; 2], 20, true));
}

#[test]
fn a_log_that_was_written_anew_is_named_by_checkpoints() {
    use Judgement::{Agrees, Differs, Short};
    for altered in 0..events().len() {
        let mut forged = events();
        forged[altered].payload.push(b' ');
        let (judged, vouched, is_good) = judgements(&forged, &[8, 16, 24]);
        let expected = match altered {
            0..8 => (vec![Differs { from: 1 }; 3], 0),
            8..16 => (vec![Agrees, Differs { from: 9 }, Differs { from: 9 }], 8),
            _ => (vec![Agrees, Agrees, Differs { from: 17 }], 16),
        };
        assert_eq!((judged, vouched), expected);
        assert!(!is_good);
    }
    let shorter = &events()[..20];
    assert_eq!(
        judgements(shorter, &[8, 24]),
        (vec![Agrees, Short], 8, false)
    );
    let mut longer = events();
    longer.push(event(EVENTS + 1));
    assert_eq!(judgements(&longer, &[24]), (vec![Agrees], 24, true));
}

#[test]
fn numbers_of_any_size_are_told_and_do_no_harm() {
    let extremes = [i64::MIN, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let line = |line: Line| line.to_text().unwrap() + "\n";
    for events in [0, 1, i64::MAX.unsigned_abs(), u64::MAX] {
        let header = Header {
            events,
            ..header(&[], false)
        };
        let mut export = line(Line::Header(header));
        for position in extremes {
            for version in extremes {
                let event = RawEvent {
                    position,
                    version,
                    ..event(1)
                };
                let leaf = event.leaf();
                export += &line(Line::Event(Box::new(Exported {
                    event,
                    leaf,
                    opened: None,
                })));
                export += "unreadable\n";
            }
        }
        assert_ne!(told(export.as_bytes()), [""; 0]);
    }
}

#[test]
fn more_events_than_there_are_positions_are_told_to_be_missing() {
    let header = Header {
        events: u64::MAX,
        ..header(&[], false)
    };
    let header = Line::Header(header).to_text().unwrap() + "\n";
    let end = Line::End(End {
        events: u64::MAX,
        root: Frontier::default().root(),
        vault: 0,
        sha256_of_all_before: Sha256::digest(&header).into(),
    });
    let export = header + &end.to_text().unwrap() + "\n";
    assert_ne!(told(export.as_bytes()), [""; 0]);
}

#[test]
fn of_two_logs_that_were_signed_one_differs() {
    let mut two = checkpoints(&[8, 8]);
    two[1].root = [1; 32];
    let verified = verify(written(&events(), false).as_slice(), two, || {}).unwrap();
    let judged: Vec<Judgement> = verified
        .judged
        .iter()
        .map(|judged| judged.judgement)
        .collect();
    assert_eq!(judged, [Judgement::Agrees, Judgement::Differs { from: 9 }]);
    assert!(!verified.is_good());
}

#[test]
fn positions_are_told_for_programs() {
    let mut lines = lines(&written(&events(), false));
    lines.drain(3..6);
    assert_eq!(positions(&lines.concat()), [(3, 5)]);
}

#[test]
fn a_file_of_anything_else_is_no_export() {
    for text in ["", "\n", "{}", "PGCOPY", "{\"header\":{}}\n"] {
        let flaws = told(text.as_bytes());
        assert!(
            flaws
                .iter()
                .any(|flaw| flaw.contains("is not the first line of an export")),
            "{text:?}: {flaws:?}"
        );
    }
    let garbage = b"garbage\n".repeat(100_000);
    assert!(
        told(&garbage)
            .last()
            .unwrap()
            .contains("is where reading ends")
    );
}
