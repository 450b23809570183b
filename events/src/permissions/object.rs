//! What actions are done to.

use crate::user::Membership;
use uuid::Uuid;

/// A kind of object, by the name that clients ask for it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A user; its own owner.
    User,
    /// A session or an API token; its user's own.
    ApiKey,
    /// The audit log.
    AuditLog,
    /// An organisation.
    Organization,
    /// Somebody's belonging to an organisation; theirs, and the organisation's.
    OrganizationMember,
    /// The site roles that can be held.
    AssignRole,
    /// The roles that can be held in an organisation.
    AssignOrgRole,
    /// Whatever else clients ask for: things of a service that is not this one.
    Other,
}

/// One object, or all of a kind, as far as permissions go: what it is, whose it is, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    resource: Resource,
    owner: Option<Uuid>,
    place: Place,
}

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In no organisation.
    Site,
    /// In this one.
    Organization(Uuid),
    /// In one that remains to be chosen: the question is whether there is one.
    AnyOrganization,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::ApiKey,
        Self::AuditLog,
        Self::Organization,
        Self::OrganizationMember,
        Self::AssignRole,
        Self::AssignOrgRole,
        Self::Other,
    ];

    /// The resource's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::AuditLog => "audit_log",
            Self::Organization => "organization",
            Self::OrganizationMember => "organization_member",
            Self::AssignRole => "assign_role",
            Self::AssignOrgRole => "assign_org_role",
            Self::Other => "anything else",
        }
    }

    /// The resource of that name.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|resource| resource.name() == name)
            .unwrap_or(Self::Other)
    }
}

impl Object {
    /// Any object of this kind, nobody's, in no organisation.
    #[must_use]
    pub fn any(resource: Resource) -> Self {
        Self {
            resource,
            owner: None,
            place: Place::Site,
        }
    }

    /// The same, and this user's.
    #[must_use]
    pub fn owned_by(self, user: Uuid) -> Self {
        Self {
            owner: Some(user),
            ..self
        }
    }

    /// The same, in this organisation.
    #[must_use]
    pub fn in_organization(self, organization: Uuid) -> Self {
        Self {
            place: Place::Organization(organization),
            ..self
        }
    }

    /// The same, in whichever organisation it would be allowed.
    #[must_use]
    pub fn in_any_organization(self) -> Self {
        Self {
            place: Place::AnyOrganization,
            ..self
        }
    }

    /// This user.
    #[must_use]
    pub fn user(id: Uuid) -> Self {
        Self::any_user().owned_by(id)
    }

    /// Whichever user, themselves or not; also one who is to be created.
    #[must_use]
    pub fn any_user() -> Self {
        Self::any(Resource::User)
    }

    /// A session or API token of this user.
    #[must_use]
    pub fn api_key_of(user: Uuid) -> Self {
        Self::any(Resource::ApiKey).owned_by(user)
    }

    /// The audit log.
    #[must_use]
    pub fn audit_log() -> Self {
        Self::any(Resource::AuditLog)
    }

    /// This organisation.
    #[must_use]
    pub fn organization(id: Uuid) -> Self {
        Self::any_organization().in_organization(id)
    }

    /// Whichever organisation; also one that is to be created.
    #[must_use]
    pub fn any_organization() -> Self {
        Self::any(Resource::Organization)
    }

    /// This user's belonging to this organisation.
    #[must_use]
    pub fn member_of(organization: Uuid, user: Uuid) -> Self {
        Self::any_member_of(organization).owned_by(user)
    }

    /// Whoever belongs to this organisation.
    #[must_use]
    pub fn any_member_of(organization: Uuid) -> Self {
        Self::any(Resource::OrganizationMember).in_organization(organization)
    }

    /// The site roles.
    #[must_use]
    pub fn site_roles() -> Self {
        Self::any(Resource::AssignRole)
    }

    /// The roles in this organisation.
    #[must_use]
    pub fn roles_in(organization: Uuid) -> Self {
        Self::any(Resource::AssignOrgRole).in_organization(organization)
    }

    pub(super) fn resource(&self) -> Resource {
        self.resource
    }

    pub(super) fn owner(&self) -> Option<Uuid> {
        self.owner
    }

    pub(super) fn is_of_site(&self) -> bool {
        self.place == Place::Site
    }

    /// Whether it is where this member belongs.
    pub(super) fn is_in(&self, membership: &Membership) -> bool {
        match self.place {
            Place::Site => false,
            Place::Organization(id) => id == membership.organization_id,
            Place::AnyOrganization => true,
        }
    }
}
