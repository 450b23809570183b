//! What events make of organisations' rows. Pure.

use rollcall_events::{Event, Recorded, organization::OrganizationEvent};

use super::OrganizationRow;

/// The organisations that a batch makes.
#[derive(Debug, Default)]
pub struct OrganizationRows(pub(super) Vec<OrganizationRow>);

pub(super) fn apply(rows: &mut OrganizationRows, recorded: &Recorded) {
    let Event::Organization(event) = &recorded.event else {
        return;
    };
    match event {
        OrganizationEvent::OrganizationCreated {
            name,
            display_name,
            description,
            icon,
            is_default,
        } => rows.0.push(OrganizationRow {
            id: recorded.stream,
            version: recorded.version,
            name: name.as_str().to_owned(),
            name_key: name.key(),
            display_name: display_name.clone(),
            description: description.clone(),
            icon: icon.clone(),
            is_default: *is_default,
            created_at: recorded.recorded_at,
            updated_at: recorded.recorded_at,
        }),
    }
}

#[cfg(test)]
mod tests {
    use rollcall_events::{Personal, organization::OrganizationName};

    use super::*;
    use crate::testing::{ADA, HOME, at, created, recorded};

    #[test]
    fn an_organization_comes_to_be() {
        let mut rows = OrganizationRows::default();
        let event = OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("The-Default").unwrap(),
            display_name: "Everybody".to_owned(),
            description: "All who work here.".to_owned(),
            icon: "/emojis/1f30d.png".to_owned(),
            is_default: true,
        };
        apply(&mut rows, &recorded(HOME, 1, event));
        let expected = OrganizationRow {
            id: HOME,
            version: 1,
            name: "The-Default".to_owned(),
            name_key: "the-default".to_owned(),
            display_name: "Everybody".to_owned(),
            description: "All who work here.".to_owned(),
            icon: "/emojis/1f30d.png".to_owned(),
            is_default: true,
            created_at: at(1),
            updated_at: at(1),
        };
        assert_eq!(rows.0, [expected]);
    }

    #[test]
    fn what_happens_to_users_changes_no_organization() {
        let mut rows = OrganizationRows::default();
        apply(&mut rows, &recorded(ADA, 1, created(Personal::Erased)));
        assert_eq!(rows.0, []);
    }
}
