//! What is known of the attempts of one minute and one hour. Bounded, however many there are. Pure.
//!
//! Attempts have a source: a user, or the network of a client that has not signed in. Every source has a budget of
//! events an hour of its own. Within it, the first attempt of its kind is recorded at once, and more of the same once
//! a minute. Beyond it, attempts are counted until the hour is over. The first attempt at each account in an hour is
//! recorded in any case, so that no noise hides who is attacked.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use rollcall_events::{
    Actor, Metadata, Personal,
    attempt::{AttemptCommand, RefusedAttempt, UnlistedAttempts},
    user::EmailAddress,
};
use uuid::Uuid;

use crate::network_prefix::NetworkPrefix;

/// Events of one source in an hour, besides the counts at its end.
const EVENTS_OF_A_NETWORK: u32 = 30;
const EVENTS_OF_A_USER: u32 = 60;
/// Of these, kinds of attempts of one minute that are listed one by one.
const LISTED_OF_A_NETWORK: u32 = 20;
const LISTED_OF_A_USER: u32 = 40;
/// Attacked accounts of a source that are counted apart.
const APART: usize = 8;
/// Sources that have a budget of their own in an hour, and kinds that are listed in a minute. Some megabytes.
const NETWORKS: usize = 2_000;
const USERS: usize = 5_000;
const LISTED: usize = 20_000;
/// Accounts whose first attacker in an hour is recorded in any case.
const ACCOUNTS: usize = 10_000;

/// The attempts of this minute and this hour.
#[derive(Default)]
pub struct Ledger {
    // Of the minute.
    listed: HashMap<Kind, Count>,
    listed_of: HashMap<Source, u32>,
    unlisted: HashMap<Source, Unlisted>,
    // Of the hour.
    events_of: HashMap<Source, u32>,
    networks: usize,
    attacked: HashSet<Uuid>,
    deferred: HashMap<Source, Unlisted>,
}

type Unlisted = HashMap<UnlistedAttempts, Count>;

/// What to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Record it, and answer then.
    Record,
    /// Record it, and answer at once: how long the answer takes must not tell whether the account exists.
    RecordInBackground,
    /// It is counted.
    Counted,
}

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    User(Uuid),
    Network(Option<NetworkPrefix>),
    /// Those that came after all sources with a budget of their own.
    Others,
}

/// Attempts that are recorded as one: the same, by the same.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    source: Source,
    /// The client, as far as clients of one network can be told apart; of version 6 the first 64 bits of its address,
    /// the rest of which one machine can choose.
    client: Option<IpAddr>,
    attempt: RefusedAttempt,
}

/// How often, besides what was recorded, and by which request at last.
struct Count {
    times: u32,
    latest: Metadata,
}

impl Ledger {
    /// Counts the attempt, or says that it is to be recorded.
    pub fn note(&mut self, attempt: &RefusedAttempt, metadata: &Metadata) -> Noted {
        let source = self.source(metadata);
        let kind = Kind {
            source,
            client: client(metadata),
            attempt: normalized(attempt),
        };
        if let Some(count) = self.listed.get_mut(&kind) {
            count.add(1, metadata);
            return Noted::Counted;
        }
        let is_first_at_account = attempt.user_id.is_some_and(|user| self.is_first_at(user));
        let listed = self.listed_of.get(&source).copied().unwrap_or_default();
        let has_room = listed < listed_at_most(source)
            && self.listed.len() < LISTED
            && self.has_budget(source);
        if !has_room && !is_first_at_account {
            add_unlisted(
                self.unlisted.entry(source).or_default(),
                attempt,
                1,
                metadata,
            );
            return Noted::Counted;
        }
        *self.listed_of.entry(source).or_default() += 1;
        *self.events_of.entry(source).or_default() += 1;
        self.listed.insert(kind, Count::none(metadata));
        if has_room {
            Noted::Record
        } else {
            Noted::RecordInBackground
        }
    }

    /// Ends the minute. What is to be recorded of it now, and by whom it was.
    pub fn end_minute(&mut self) -> Vec<(AttemptCommand, Metadata)> {
        self.listed_of.clear();
        let mut commands = Vec::new();
        for (
            Kind {
                source, attempt, ..
            },
            count,
        ) in std::mem::take(&mut self.listed)
        {
            if count.times == 0 {
                continue;
            }
            if self.spend(source) {
                let times = count.times;
                let command = AttemptCommand::RecordRefusal { attempt, times };
                commands.push((command, count.latest));
            } else {
                let deferred = self.deferred.entry(source).or_default();
                add_unlisted(deferred, &attempt, count.times, &count.latest);
            }
        }
        for (source, unlisted) in std::mem::take(&mut self.unlisted) {
            for (attempts, count) in unlisted {
                if self.spend(source) {
                    commands.push(not_listed(source, attempts, &count));
                } else {
                    let deferred = self.deferred.entry(source).or_default();
                    add_to(deferred, attempts, count.times, &count.latest);
                }
            }
        }
        commands
    }

    /// Ends the hour, and the minute. What is to be recorded.
    pub fn end_hour(&mut self) -> Vec<(AttemptCommand, Metadata)> {
        let mut commands = self.end_minute();
        for (source, unlisted) in std::mem::take(&mut self.deferred) {
            for (attempts, count) in unlisted {
                commands.push(not_listed(source, attempts, &count));
            }
        }
        *self = Self::default();
        commands
    }

    /// Whose budget it is. Sources beyond a number share one.
    fn source(&mut self, metadata: &Metadata) -> Source {
        let source = match metadata.actor.user() {
            Some(user) => Source::User(user),
            None => Source::Network(address(metadata).map(NetworkPrefix::site)),
        };
        if self.events_of.contains_key(&source) {
            return source;
        }
        let users = self.events_of.len() - self.networks;
        let has_room = match source {
            Source::User(_) => users < USERS,
            Source::Network(_) | Source::Others => self.networks < NETWORKS,
        };
        if !has_room {
            return Source::Others;
        }
        self.networks += usize::from(matches!(source, Source::Network(_)));
        self.events_of.insert(source, 0);
        source
    }

    fn is_first_at(&mut self, account: Uuid) -> bool {
        self.attacked.len() < ACCOUNTS && self.attacked.insert(account)
    }

    fn has_budget(&self, source: Source) -> bool {
        self.events_of.get(&source).copied().unwrap_or_default() < events_at_most(source)
    }

    fn spend(&mut self, source: Source) -> bool {
        let has_budget = self.has_budget(source);
        *self.events_of.entry(source).or_default() += u32::from(has_budget);
        has_budget
    }
}

fn events_at_most(source: Source) -> u32 {
    match source {
        Source::User(_) => EVENTS_OF_A_USER,
        Source::Network(_) | Source::Others => EVENTS_OF_A_NETWORK,
    }
}

fn listed_at_most(source: Source) -> u32 {
    match source {
        Source::User(_) => LISTED_OF_A_USER,
        Source::Network(_) | Source::Others => LISTED_OF_A_NETWORK,
    }
}

fn add_unlisted(unlisted: &mut Unlisted, attempt: &RefusedAttempt, times: u32, latest: &Metadata) {
    let attempts = UnlistedAttempts {
        action: attempt.action,
        resource_type: attempt.resource_type,
        user_id: attempt.user_id,
        status: attempt.status,
    };
    add_to(unlisted, attempts, times, latest);
}

/// Attacked accounts are told apart up to a number.
fn add_to(unlisted: &mut Unlisted, attempts: UnlistedAttempts, times: u32, latest: &Metadata) {
    let is_apart = unlisted.len() < APART || unlisted.contains_key(&attempts);
    let key = if is_apart {
        attempts
    } else {
        UnlistedAttempts {
            user_id: None,
            ..attempts
        }
    };
    let count = unlisted.entry(key).or_insert_with(|| Count::none(latest));
    count.add(times, latest);
}

fn not_listed(
    source: Source,
    attempts: UnlistedAttempts,
    count: &Count,
) -> (AttemptCommand, Metadata) {
    let times = count.times;
    let command = AttemptCommand::RecordUnlisted { attempts, times };
    (command, in_the_name_of(source, &count.latest))
}

impl Count {
    fn none(latest: &Metadata) -> Self {
        Self {
            times: 0,
            latest: latest.clone(),
        }
    }

    fn add(&mut self, times: u32, latest: &Metadata) {
        self.times = self.times.saturating_add(times);
        self.latest.clone_from(latest);
    }
}

fn address(metadata: &Metadata) -> Option<IpAddr> {
    metadata.origin.known().and_then(|origin| origin.ip)
}

/// Users are the same client wherever they are.
fn client(metadata: &Metadata) -> Option<IpAddr> {
    if metadata.actor.user().is_some() {
        return None;
    }
    address(metadata).map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            IpAddr::V6((u128::from(address) & !host).into())
        }
    })
}

/// With the e-mail address as accounts compare it.
fn normalized(attempt: &RefusedAttempt) -> RefusedAttempt {
    RefusedAttempt {
        email: attempt.email.as_deref().map(EmailAddress::key_of),
        ..attempt.clone()
    }
}

/// Those of a network are told with its latest address. Those of many are counted by Rollcall.
fn in_the_name_of(source: Source, latest: &Metadata) -> Metadata {
    let (actor, origin) = match source {
        Source::User(user) => (Actor::User(user), Personal::Erased),
        Source::Network(_) => (Actor::Anonymous, latest.origin.clone()),
        Source::Others => (Actor::System, Personal::Erased),
    };
    Metadata {
        actor,
        authentication: None,
        origin,
        ..latest.clone()
    }
}

#[cfg(test)]
mod tests {
    use rollcall_events::{
        Origin,
        attempt::{Action, RefusalReason, ResourceType},
    };

    use super::*;

    const ADA: Uuid = Uuid::from_u128(0xada);

    fn sign_in(email: &str) -> RefusedAttempt {
        RefusedAttempt {
            action: Action::Login,
            resource_type: ResourceType::ApiKey,
            resource_id: None,
            user_id: None,
            organization_id: None,
            status: 401,
            reason: Some(RefusalReason::UnknownEmail),
            email: Some(email.to_owned()),
        }
    }

    fn sign_in_as(user: Uuid) -> RefusedAttempt {
        RefusedAttempt {
            resource_id: Some(user),
            user_id: Some(user),
            reason: Some(RefusalReason::WrongPassword),
            email: None,
            ..sign_in("")
        }
    }

    fn removal_of(user: Uuid) -> RefusedAttempt {
        RefusedAttempt {
            action: Action::Delete,
            resource_type: ResourceType::User,
            resource_id: Some(user),
            status: 403,
            reason: None,
            email: None,
            ..sign_in("")
        }
    }

    fn by(actor: Actor, address: &str) -> Metadata {
        Metadata {
            actor,
            origin: Personal::Known(Origin {
                ip: Some(address.parse().unwrap()),
                user_agent: "curl".to_owned(),
            }),
            ..Metadata::system(Uuid::from_u128(1))
        }
    }

    fn anonymous() -> Metadata {
        by(Actor::Anonymous, "192.0.2.1")
    }

    /// What the counts say: who, as whom they tried to sign in, and how often.
    fn told(commands: Vec<(AttemptCommand, Metadata)>) -> Vec<(Actor, Option<Uuid>, u32)> {
        let mut told: Vec<_> = commands
            .into_iter()
            .map(|(command, metadata)| match command {
                AttemptCommand::RecordRefusal { attempt, times } => {
                    (metadata.actor, attempt.user_id, times)
                }
                AttemptCommand::RecordUnlisted { attempts, times } => {
                    (metadata.actor, attempts.user_id, times)
                }
                AttemptCommand::RecordTestEntry(_) => panic!("there is no test entry"),
            })
            .collect();
        told.sort_by_key(|(_, user, times)| (*user, *times));
        told
    }

    fn times(told: &[(Actor, Option<Uuid>, u32)]) -> u32 {
        told.iter().map(|(_, _, times)| times).sum()
    }

    fn other(nth: u32) -> RefusedAttempt {
        sign_in(&format!("x{nth}@example.com"))
    }

    #[test]
    fn the_first_of_a_kind_is_recorded_at_once_and_more_of_it_are_counted() {
        use Noted::{Counted, Record};

        let mut ledger = Ledger::default();
        let noted = ["eve", "Eve", "eve", "mallory"].map(|name| {
            let attempt = sign_in(&format!("{name}@example.com"));
            ledger.note(&attempt, &anonymous())
        });
        assert_eq!(noted, [Record, Counted, Counted, Record]);
        assert_eq!(told(ledger.end_minute()), [(Actor::Anonymous, None, 2)]);
        assert_eq!(told(ledger.end_hour()), []);
    }

    #[test]
    fn another_address_is_another_attacker_but_not_within_a_link_of_ipv6() {
        let mut ledger = Ledger::default();
        for (address, is_new) in [
            ("192.0.2.1", true),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::ffff:2", false),
            ("2001:db8:0:1::1", true),
        ] {
            let noted = ledger.note(&sign_in_as(ADA), &by(Actor::Anonymous, address));
            assert_eq!(noted == Noted::Record, is_new, "{address}");
        }
    }

    #[test]
    fn of_many_kinds_the_first_are_listed_and_the_rest_counted_together() {
        let mut ledger = Ledger::default();
        let listed = (0..1_000)
            .filter(|nth| ledger.note(&other(*nth), &anonymous()) == Noted::Record)
            .count();
        assert_eq!(listed, LISTED_OF_A_NETWORK as usize);
        assert_eq!(told(ledger.end_minute()), [(Actor::Anonymous, None, 980)]);
    }

    #[test]
    fn noise_of_one_network_takes_no_place_from_another() {
        let mut ledger = Ledger::default();
        for nth in 0..1_000 {
            ledger.note(&other(nth), &anonymous());
        }
        let elsewhere = by(Actor::Anonymous, "198.51.100.1");
        for nth in 0..LISTED_OF_A_NETWORK {
            assert_eq!(ledger.note(&other(nth), &elsewhere), Noted::Record);
        }
    }

    #[test]
    fn the_first_attempt_at_an_account_is_recorded_however_noisy_its_network_is() {
        use Noted::{Counted, RecordInBackground};

        let mut ledger = Ledger::default();
        for nth in 0..1_000 {
            ledger.note(&other(nth), &anonymous());
        }
        let bob = Uuid::from_u128(0xb0b);
        let noted = [ADA, ADA, bob].map(|user| ledger.note(&sign_in_as(user), &anonymous()));
        assert_eq!(noted, [RecordInBackground, Counted, RecordInBackground]);
    }

    #[test]
    fn one_network_makes_a_bounded_number_of_events_an_hour() {
        let mut ledger = Ledger::default();
        let (mut events, mut attempts) = (0, 0);
        for minute in 0..60 {
            for nth in 0..100 {
                let noted = ledger.note(&other(minute * 100 + nth), &anonymous());
                events += usize::from(noted != Noted::Counted);
                attempts += 1;
            }
            events += ledger.end_minute().len();
        }
        let last = ledger.end_hour();
        events += last.len();
        assert!(
            events <= EVENTS_OF_A_NETWORK as usize + APART + 4,
            "{events}"
        );
        let counted = times(&told(last));
        assert!(counted > attempts - 2_200, "{counted} of {attempts}");
    }

    #[test]
    fn a_user_has_a_budget_and_takes_none_from_others() {
        let mut ledger = Ledger::default();
        let (ada, bob) = (Actor::User(ADA), Actor::User(Uuid::from_u128(0xb0b)));
        for nth in 0..100 {
            ledger.note(&removal_of(Uuid::from_u128(nth)), &by(ada, "192.0.2.1"));
        }
        assert_eq!(
            ledger.note(&removal_of(ADA), &by(bob, "192.0.2.1")),
            Noted::Record
        );
        assert_eq!(ledger.note(&other(1), &anonymous()), Noted::Record);
        assert_eq!(told(ledger.end_minute()), [(ada, None, 60)]);
    }

    #[test]
    fn it_stays_small_and_no_attempt_is_lost() {
        let mut ledger = Ledger::default();
        let mut recorded = 0_u32;
        for nth in 0..60_000_u32 {
            let user = Actor::User(Uuid::from_u128(u128::from(nth % 9_000)));
            let [a, b, c, _] = nth.to_be_bytes();
            let network = format!("10.{b}.{c}.{a}");
            let attempts = [
                (
                    sign_in_as(Uuid::from_u128(nth.into())),
                    by(Actor::Anonymous, &network),
                ),
                (other(nth), anonymous()),
                (
                    removal_of(Uuid::from_u128(nth.into())),
                    by(user, "192.0.2.1"),
                ),
            ];
            for (attempt, metadata) in attempts {
                recorded += u32::from(ledger.note(&attempt, &metadata) != Noted::Counted);
            }
        }
        assert!(ledger.listed.len() <= LISTED + ACCOUNTS);
        assert!(ledger.events_of.len() <= NETWORKS + USERS + 1);
        let minute = told(ledger.end_minute());
        let hour = told(ledger.end_hour());
        assert_eq!(recorded + times(&minute) + times(&hour), 180_000);
    }
}
