//! What entries have in common, as one number.

use rollcall_events::attempt::{Action, ResourceType};

/// What was done to what, and whether it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// What was done.
    pub action: Action,
    /// To what.
    pub resource_type: ResourceType,
    /// Whether it was only tried.
    pub is_refused: bool,
}

impl Kind {
    /// Something that was done.
    #[must_use]
    pub const fn done(action: Action, resource_type: ResourceType) -> Self {
        Self {
            action,
            resource_type,
            is_refused: false,
        }
    }

    /// Something that was tried.
    #[must_use]
    pub const fn refused(action: Action, resource_type: ResourceType) -> Self {
        Self {
            action,
            resource_type,
            is_refused: true,
        }
    }

    /// The kinds with this action, or any, and this type, or any.
    pub(super) fn all(
        action: Option<Action>,
        resource_type: Option<ResourceType>,
    ) -> impl Iterator<Item = Self> {
        let types = ResourceType::ALL.into_iter();
        let types = types.filter(move |known| resource_type.is_none_or(|wanted| wanted == *known));
        types.flat_map(move |resource_type| {
            let actions = Action::ALL.into_iter();
            let actions = actions.filter(move |known| action.is_none_or(|wanted| wanted == *known));
            actions.flat_map(move |action| {
                [
                    Self::done(action, resource_type),
                    Self::refused(action, resource_type),
                ]
            })
        })
    }

    /// The number in tables.
    pub(crate) fn number(self) -> i16 {
        (self.resource_type.number() * 32 + self.action.number()) * 2 + i16::from(self.is_refused)
    }

    /// The kind of a number in tables.
    pub(super) fn of_number(number: i16) -> Option<Self> {
        Self::all(None, None).find(|kind| kind.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        let kinds: Vec<Kind> = Kind::all(None, None).collect();
        let numbers: BTreeSet<i16> = kinds.iter().map(|kind| kind.number()).collect();
        assert_eq!(kinds.len(), 26 * 13 * 2);
        assert_eq!(numbers.len(), kinds.len());
    }

    /// They are in tables: whoever changes one has to make all rows anew.
    #[test]
    fn numbers_stay() {
        use {Action as A, ResourceType as R};
        for (kind, number) in [
            (Kind::done(A::Create, R::User), 66),
            (Kind::done(A::Login, R::ApiKey), 140),
            (Kind::refused(A::Login, R::ApiKey), 141),
            (Kind::done(A::Close, R::Task), 1_690),
        ] {
            assert_eq!(kind.number(), number, "{kind:?}");
        }
    }

    #[test]
    fn kinds_are_chosen_by_action_and_by_type() {
        let count = |action, resource_type| Kind::all(action, resource_type).count();
        assert_eq!(count(Some(Action::Login), None), 26 * 2);
        assert_eq!(count(None, Some(ResourceType::User)), 13 * 2);
        assert_eq!(count(Some(Action::Login), Some(ResourceType::User)), 2);
    }
}
