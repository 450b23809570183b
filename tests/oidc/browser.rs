//! A browser without a screen: it keeps cookies, follows redirects, presses links and fills in forms.

use std::time::Duration;

use reqwest::{Client, Method, Response, header, redirect::Policy};
use url::Url;

/// Much longer than anything takes: so that a test that fails does not hang.
const DEADLINE: Duration = Duration::from_secs(30);
/// Who is sent on more often is sent in circles.
const MOST_REDIRECTS: usize = 20;

/// Somebody's browser.
pub struct Browser {
    client: Client,
    cookies: Vec<Cookie>,
}

/// Sent to its host, whatever the port, below its path.
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// What came back.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub text: String,
    /// Where it sends the browser.
    next: Option<Url>,
}

impl Browser {
    /// A new one. Only after the service, which says once for all how connections are secured.
    pub fn new() -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(DEADLINE)
            .build()
            .unwrap();
        Self {
            client,
            cookies: Vec::new(),
        }
    }

    /// Opens an address and goes wherever it is sent.
    pub async fn visit(&mut self, url: Url) -> Page {
        let page = self.send(Method::GET, url, Vec::new()).await;
        self.follow(page, |_| false).await
    }

    /// Fills in the page's form, sends it, and goes wherever it is sent.
    pub async fn submit(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let page = self.send_form(page, filled).await;
        self.follow(page, |_| false).await
    }

    /// Opens an address, fills in every form that it is shown on the way, and stops before it opens an address that `ends`
    /// the journey: that address.
    pub async fn journey(
        &mut self,
        url: Url,
        filled: &[(&str, &str)],
        ends: impl Fn(&Url) -> bool,
    ) -> Url {
        let mut page = self.send(Method::GET, url, Vec::new()).await;
        for _ in 0..MOST_REDIRECTS {
            page = self.follow(page, &ends).await;
            if let Some(end) = page.next {
                return end;
            }
            page = self.send_form(&page, filled).await;
        }
        panic!("this leads nowhere: {page:?}");
    }

    /// The cookie of this name that is sent to this address.
    pub fn cookie(&self, url: &Url, name: &str) -> Option<&str> {
        let found = self.sent_to(url).find(|cookie| cookie.name == name)?;
        Some(&found.value)
    }

    /// The names of the cookies that are sent to this address.
    pub fn cookies(&self, url: &Url) -> Vec<&str> {
        self.sent_to(url)
            .map(|cookie| cookie.name.as_str())
            .collect()
    }

    async fn follow(&mut self, mut page: Page, ends: impl Fn(&Url) -> bool) -> Page {
        for _ in 0..MOST_REDIRECTS {
            match page.next.clone().filter(|next| !ends(next)) {
                Some(next) => page = self.send(Method::GET, next, Vec::new()).await,
                None => return page,
            }
        }
        panic!("sent in circles: {page:?}");
    }

    async fn send_form(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let (action, mut fields) = page.form();
        for (name, value) in &mut fields {
            if let Some((_, given)) = filled.iter().find(|(filled, _)| filled == name) {
                (*given).clone_into(value);
            }
        }
        self.send(Method::POST, action, fields).await
    }

    async fn send(&mut self, method: Method, url: Url, fields: Vec<(String, String)>) -> Page {
        let cookies: Vec<_> = self
            .sent_to(&url)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let mut request = self
            .client
            .request(method, url.clone())
            .header(header::COOKIE, cookies.join("; "));
        if !fields.is_empty() {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(fields)
                .finish();
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
        }
        let response = request.send().await.unwrap();
        self.keep_cookies(&url, &response);
        let next = header(&response, header::LOCATION).map(|next| url.join(next).unwrap());
        Page {
            url,
            status: response.status().as_u16(),
            next,
            text: response.text().await.unwrap(),
        }
    }

    fn sent_to(&self, url: &Url) -> impl Iterator<Item = &Cookie> {
        self.cookies.iter().filter(|cookie| {
            let below = url.path().strip_prefix(&cookie.path);
            url.host_str() == Some(&cookie.host)
                && below.is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/')
                })
        })
    }

    fn keep_cookies(&mut self, url: &Url, response: &Response) {
        for set in response.headers().get_all(header::SET_COOKIE) {
            let mut parts = set.to_str().unwrap().split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let (mut path, mut is_gone) = ("/", false);
            for attribute in parts {
                let (attribute, value) = attribute.split_once('=').unwrap_or((attribute, ""));
                match attribute.to_ascii_lowercase().as_str() {
                    "path" => path = value,
                    "max-age" => is_gone = value == "0",
                    // The way to remove one of before there was `Max-Age`.
                    "expires" => is_gone = is_gone || value.contains("1970"),
                    _ => {}
                }
            }
            let cookie = Cookie {
                host: url.host_str().unwrap().to_owned(),
                path: path.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
            };
            self.cookies.retain(|kept| {
                (&kept.host, &kept.path, &kept.name) != (&cookie.host, &cookie.path, &cookie.name)
            });
            if !is_gone {
                self.cookies.push(cookie);
            }
        }
    }
}

impl Page {
    /// Where the page's link leads whose address contains this.
    pub fn link(&self, part: &str) -> Url {
        let tags = self.text.split("<a ").skip(1);
        let address = tags
            .filter_map(|tag| attribute(tag, "href"))
            .find(|address| address.contains(part));
        let Some(address) = address else {
            panic!("no link to {part}: {self:?}");
        };
        self.url.join(&address).unwrap()
    }

    /// The address and the fields of the page's form.
    fn form(&self) -> (Url, Vec<(String, String)>) {
        let Some((_, form)) = self.text.split_once("<form ") else {
            panic!("no form: {self:?}");
        };
        let form = form.split("</form>").next().unwrap();
        let action = self.url.join(&attribute(form, "action").unwrap()).unwrap();
        let inputs = form.split("<input ").skip(1);
        let fields = inputs.filter_map(|tag| {
            let value = attribute(tag, "value").unwrap_or_default();
            Some((attribute(tag, "name")?, value))
        });
        (action, fields.collect())
    }
}

/// The value of a tag's attribute.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

fn header(response: &Response, name: header::HeaderName) -> Option<&str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}
