//! What is known of the attempts of one minute. Bounded, whoever tries whatever. Pure.

use std::{collections::HashMap, net::IpAddr};

use rollcall_events::{
    Actor, Metadata, Personal,
    attempt::{AttemptCommand, RefusedAttempt, UnlistedAttempts},
    user::EmailAddress,
};
use uuid::Uuid;

/// Kinds of attempts that are told one by one: of all who have not signed in together, of each user, and of all.
const MOST_ANONYMOUS: usize = 60;
const MOST_OF_A_USER: usize = 60;
const MOST: usize = 1_000;
/// Counts of the rest that are kept apart by user.
const MOST_APART: usize = 200;

/// The attempts of a minute.
#[derive(Default)]
pub struct Window {
    listed: HashMap<Kind, Count>,
    /// How many kinds are listed, by user; nobody are those who have not signed in.
    listed_of: HashMap<Option<Uuid>, usize>,
    unlisted: HashMap<(Option<Uuid>, UnlistedAttempts), Count>,
}

/// Attempts that are told as one: the same, by the same.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    who: Who,
    attempt: RefusedAttempt,
}

/// Who tries, as far as we can tell attackers apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(Uuid),
    /// An address; of version 6 its first 64 bits, the rest of which one machine can choose.
    At(Option<IpAddr>),
}

/// How often, besides what was recorded, and by which request at last.
struct Count {
    times: u32,
    latest: Metadata,
}

impl Window {
    /// Whether the attempt is to be recorded now. If not, it is counted.
    pub fn is_new(&mut self, attempt: &RefusedAttempt, metadata: &Metadata) -> bool {
        let user = metadata.actor.user();
        let kind = Kind {
            who: who(metadata),
            attempt: normalized(attempt),
        };
        if let Some(count) = self.listed.get_mut(&kind) {
            count.add(metadata);
            return false;
        }
        if !self.has_room_for(user) {
            self.count_unlisted(user, attempt, metadata);
            return false;
        }
        *self.listed_of.entry(user).or_default() += 1;
        self.listed.insert(kind, Count::none(metadata));
        true
    }

    fn has_room_for(&self, user: Option<Uuid>) -> bool {
        let most = match user {
            Some(_) => MOST_OF_A_USER,
            None => MOST_ANONYMOUS,
        };
        let listed = self.listed_of.get(&user).copied().unwrap_or_default();
        listed < most && self.listed.len() < MOST
    }

    /// Who is attacked is told even in a flood, up to a number of users: else a flood would hide it.
    fn count_unlisted(
        &mut self,
        user: Option<Uuid>,
        attempt: &RefusedAttempt,
        metadata: &Metadata,
    ) {
        let attempts = UnlistedAttempts {
            action: attempt.action,
            resource_type: attempt.resource_type,
            user_id: attempt.user_id,
            status: attempt.status,
        };
        let mut key = (user, attempts);
        if self.unlisted.len() >= MOST_APART && !self.unlisted.contains_key(&key) {
            key = (
                None,
                UnlistedAttempts {
                    user_id: None,
                    ..attempts
                },
            );
        }
        let count = self
            .unlisted
            .entry(key)
            .or_insert_with(|| Count::none(metadata));
        count.add(metadata);
    }

    /// What is to be recorded of what was counted, and by whom it was.
    pub fn close(self) -> Vec<(AttemptCommand, Metadata)> {
        let listed = self.listed.into_iter();
        let again = listed.filter_map(|(Kind { attempt, .. }, count)| {
            let times = count.times;
            let command = AttemptCommand::RecordRefusal { attempt, times };
            (times > 0).then_some((command, count.latest))
        });
        let unlisted = self.unlisted.into_iter().map(|((user, attempts), count)| {
            let times = count.times;
            let command = AttemptCommand::RecordUnlisted { attempts, times };
            (command, in_the_name_of(user, &count.latest))
        });
        again.chain(unlisted).collect()
    }
}

impl Count {
    fn none(latest: &Metadata) -> Self {
        Self {
            times: 0,
            latest: latest.clone(),
        }
    }

    fn add(&mut self, latest: &Metadata) {
        self.times = self.times.saturating_add(1);
        self.latest.clone_from(latest);
    }
}

fn who(metadata: &Metadata) -> Who {
    let origin = metadata.origin.known();
    let address = origin.and_then(|origin| origin.ip).map(first_bits);
    metadata.actor.user().map_or(Who::At(address), Who::User)
}

fn first_bits(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            IpAddr::V6((u128::from(address) & !host).into())
        }
    }
}

/// With the e-mail address as accounts compare it.
fn normalized(attempt: &RefusedAttempt) -> RefusedAttempt {
    RefusedAttempt {
        email: attempt.email.as_deref().map(EmailAddress::key_of),
        ..attempt.clone()
    }
}

/// They came from many places. Those of nobody in particular are counted by Rollcall.
fn in_the_name_of(user: Option<Uuid>, latest: &Metadata) -> Metadata {
    Metadata {
        actor: user.map_or(Actor::System, Actor::User),
        authentication: None,
        origin: Personal::Erased,
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
    fn told(window: Window) -> Vec<(Actor, Option<Uuid>, u32)> {
        let mut told: Vec<_> = window
            .close()
            .into_iter()
            .map(|(command, metadata)| match command {
                AttemptCommand::RecordRefusal { attempt, times } => {
                    (metadata.actor, attempt.user_id, times)
                }
                AttemptCommand::RecordUnlisted { attempts, times } => {
                    (metadata.actor, attempts.user_id, times)
                }
                AttemptCommand::RecordTestEntry(_) => panic!("nobody made anything up"),
            })
            .collect();
        told.sort_by_key(|(_, user, times)| (*user, *times));
        told
    }

    #[test]
    fn the_first_of_a_kind_is_recorded_at_once_and_more_of_it_are_counted() {
        let mut window = Window::default();
        assert!(window.is_new(&sign_in("eve@example.com"), &anonymous()));
        assert!(!window.is_new(&sign_in("Eve@Example.com"), &anonymous()));
        assert!(!window.is_new(&sign_in("eve@example.com"), &anonymous()));
        assert!(window.is_new(&sign_in("mallory@example.com"), &anonymous()));
        assert_eq!(told(window), [(Actor::Anonymous, None, 2)]);
    }

    #[test]
    fn another_address_is_another_attacker_but_not_within_a_network_of_one() {
        let mut window = Window::default();
        for (address, is_new) in [
            ("192.0.2.1", true),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::ffff:2", false),
            ("2001:db8:0:1::1", true),
        ] {
            let metadata = by(Actor::Anonymous, address);
            assert_eq!(
                window.is_new(&sign_in_as(ADA), &metadata),
                is_new,
                "{address}"
            );
        }
    }

    #[test]
    fn of_many_kinds_the_first_are_listed_and_the_rest_counted_together() {
        let mut window = Window::default();
        let listed = (0..1_000)
            .filter(|nth| window.is_new(&sign_in(&format!("x{nth}@example.com")), &anonymous()))
            .count();
        assert_eq!(listed, MOST_ANONYMOUS);
        assert_eq!(told(window), [(Actor::System, None, 940)]);
    }

    #[test]
    fn who_is_attacked_is_told_even_in_a_flood() {
        let mut window = Window::default();
        for nth in 0..100 {
            window.is_new(&sign_in(&format!("x{nth}@example.com")), &anonymous());
        }
        for _ in 0..7 {
            assert!(!window.is_new(&sign_in_as(ADA), &anonymous()));
        }
        let expected = [(Actor::System, None, 40), (Actor::System, Some(ADA), 7)];
        assert_eq!(told(window), expected);
    }

    #[test]
    fn a_user_has_a_number_of_kinds_and_takes_none_from_others() {
        let mut window = Window::default();
        let (ada, bob) = (Actor::User(ADA), Actor::User(Uuid::from_u128(0xb0b)));
        for nth in 0..100 {
            window.is_new(&removal_of(Uuid::from_u128(nth)), &by(ada, "192.0.2.1"));
        }
        assert!(window.is_new(&removal_of(ADA), &by(bob, "192.0.2.1")));
        assert!(window.is_new(&sign_in("eve@example.com"), &anonymous()));
        assert_eq!(told(window), [(ada, None, 40)]);
    }

    #[test]
    fn whoever_tries_whatever_it_stays_small_and_every_attempt_is_told() {
        let mut window = Window::default();
        let mut listed = 0_u32;
        for nth in 0..20_000_u128 {
            let user = Actor::User(Uuid::from_u128(nth % 5_000));
            let attempts = [
                (sign_in_as(Uuid::from_u128(nth)), anonymous()),
                (removal_of(Uuid::from_u128(nth)), by(user, "192.0.2.1")),
            ];
            for (attempt, metadata) in attempts {
                listed += u32::from(window.is_new(&attempt, &metadata));
            }
        }
        assert!(window.listed.len() <= MOST && window.unlisted.len() <= MOST_APART + 2);
        let counted: u32 = told(window).iter().map(|(_, _, times)| times).sum();
        assert_eq!(listed + counted, 40_000);
    }
}
