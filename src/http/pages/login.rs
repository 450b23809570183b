//! `/login`: signing in with a password, or by way of a provider.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Redirect, Response},
};
use rollcall_projections::users::find;

use super::{
    first_user, form,
    form::Form,
    page::{Page, Text, complaint},
    visitor::Visitor,
};
use crate::{
    app::{App, AppState},
    auth::providers::{GITHUB_CALLBACK, OIDC_CALLBACK},
    http::{
        answer::Refusal,
        query::Parameters,
        redirect::{as_parameter, own_path},
        request_context::RequestContext,
        users::{auth_methods::Ways, sign_in},
    },
};

/// A message that came with the address is not ours: so many characters of it are shown.
const MESSAGE_LENGTH: usize = 300;

/// What the page says, and what stands in its form already.
#[derive(Default)]
struct Filled {
    /// As HTML.
    said: String,
    email: String,
    redirect: String,
}

/// Offers the ways to sign in, or, while there is nobody, to become the first. Who is signed in goes on.
pub async fn offer(
    State(app): State<AppState>,
    visitor: Option<Visitor>,
    address: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asked = Parameters::parse(address.query());
    let redirect = own_path(app.config.base_path(), &asked.text("redirect"));
    if visitor.is_some() {
        return Ok(Redirect::to(&redirect).into_response());
    }
    let ways = Ways::open(&app.config);
    let (browser, cookie) = form::browser(&headers, &app);
    let page = if ways.password && !find::any_live(&app.pool).await? {
        first_user::page(&app, &browser, &first_user::Filled::default())
    } else {
        let filled = Filled {
            said: message(&asked.text("message")),
            redirect,
            ..Filled::default()
        };
        page(&app, &ways, &form::proof(&app, &browser), &filled)
    };
    Ok((cookie, page).into_response())
}

/// Signs in as the API does, and goes on.
pub async fn sign_in(
    State(app): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let (browser, cookie) = form::browser(&headers, &app);
    let email = form.trimmed("email");
    let redirect = own_path(app.config.base_path(), &form.text("redirect"));
    match try_it(&app, &context, &browser, &form).await {
        Ok(signed_in) => (signed_in.cookies(&app), Redirect::to(&redirect)).into_response(),
        Err(refusal) => {
            let filled = Filled {
                said: complaint(&refusal),
                email,
                redirect,
            };
            let page = page(
                &app,
                &Ways::open(&app.config),
                &form::proof(&app, &browser),
                &filled,
            );
            (cookie, page.refusing(refusal)).into_response()
        }
    }
}

async fn try_it(
    app: &App,
    context: &RequestContext,
    browser: &str,
    form: &Form,
) -> Result<sign_in::SignedIn, Refusal> {
    form.must_be_ours(app, browser)?;
    sign_in::by_password(app, context, &form.trimmed("email"), form.text("password")).await
}

fn page(app: &App, ways: &Ways, proof: &str, filled: &Filled) -> Page {
    in_base(app.config.base_path(), ways, proof, filled)
}

fn in_base(base: &str, ways: &Ways, proof: &str, filled: &Filled) -> Page {
    let password = if ways.password {
        format!(
            include_str!("password.html"),
            base = base,
            proof = Text(proof),
            email = Text(&filled.email),
            redirect = Text(&filled.redirect),
        )
    } else {
        String::new()
    };
    let providers = providers(base, ways, &filled.redirect);
    let nothing = if password.is_empty() && providers.is_empty() {
        include_str!("no_way.html")
    } else {
        ""
    };
    let body = format!(
        include_str!("login.html"),
        said = filled.said,
        password = password,
        providers = providers,
        nothing = nothing,
    );
    let title = "Sign in";
    Page { title, body }
}

/// A button for each provider: the flow begins where it ends.
fn providers(base: &str, ways: &Ways, redirect: &str) -> String {
    let github = ways.github.then_some("Sign in with GitHub");
    let buttons = [
        (github, GITHUB_CALLBACK),
        (ways.oidc.as_deref(), OIDC_CALLBACK),
    ];
    let redirect = as_parameter(redirect);
    let buttons = buttons.into_iter().filter_map(|(label, address)| {
        let button = format!(
            include_str!("provider.html"),
            label = Text(label?),
            base = base,
            address = address,
            redirect = redirect,
        );
        Some(button)
    });
    buttons.collect()
}

fn message(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let shown: String = text.chars().take(MESSAGE_LENGTH).collect();
    format!(include_str!("message.html"), message = Text(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(ways: &Ways) -> String {
        let filled = Filled {
            redirect: "/a?b=c&d='e'".to_owned(),
            ..Filled::default()
        };
        in_base("", ways, "proof", &filled).body
    }

    #[test]
    fn each_way_that_is_open_has_its_button_and_no_other() {
        let none = Ways {
            password: false,
            github: false,
            oidc: None,
        };
        let closed = html(&none);
        assert!(!closed.contains("<form") && !closed.contains("<a "));
        assert!(closed.contains("Nobody can sign in here"));
        let github = html(&Ways {
            github: true,
            ..none.clone()
        });
        assert!(github.contains("Sign in with GitHub"), "{github}");
        assert!(!github.contains("<form") && !github.contains("Nobody can"));
        let oidc = Some("Sign in with <Example> & Sons".to_owned());
        let all = html(&Ways {
            password: true,
            github: true,
            oidc,
        });
        for part in [
            "<form",
            "/api/v2/users/oauth2/github/callback?redirect=%2Fa%3Fb%3Dc%26d%3D%27e%27",
            "/api/v2/users/oidc/callback?redirect=%2Fa%3Fb%3Dc%26d%3D%27e%27",
            "Sign in with &lt;Example&gt; &amp; Sons",
        ] {
            assert!(all.contains(part), "{part} is not in {all}");
        }
    }
}
