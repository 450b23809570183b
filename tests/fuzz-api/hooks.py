"""What the fuzzer must know of this API that its description cannot say."""

import os
import re
import uuid

import requests
import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

API = os.environ["FUZZED_API"]
# The first user, an owner, by whom everything is done.
OWNER = {"email": "fuzzer@example.com", "password": os.environ["FUZZER_PASSWORD"]}
# The example of the description, with a password that is nobody's.
CONVERSION = {"to_type": "github", "password": "correct horse battery staple"}
# Somebody to whom everything may be done, and where they sometimes belong.
FUZZED = "fuzzed"
CLUB = "club"

# These requests are in order by themselves. What stands against them is who asks, or what is there already. No schema
# can say that, and clients of the API rely on its being a 400. Each is an operation and what is said.
REFUSED_FOR_GOOD_REASON = [
    (r"/users/(oauth2/github|oidc)/callback$|POST .*/users$", r"is not configured"),
    # A browser that comes back from a provider brings all that it was given.
    (r"/callback$", r"State must be provided"),
    (r"/users/\{user\}(/roles|/status/suspend)?$", r"[Ll]ast (active )?owner"),
    (r"/users/\{user\}/roles$", r"You cannot change your own roles"),
    (r"/personal-data$", r"must be the user's username or id"),
    (r"/status/suspend$", r"You cannot suspend yourself|An owner cannot be suspended"),
    (r"/users/\{user\}/password$", r"[Oo]ld password|Only owners can|does not sign in with a password"),
    (r"/members/\{user\}$", r"belongs to this organization already|You cannot remove yourself|belongs to no other"),
    (r"/members/\{user\}/roles$", r"You cannot change your own organization roles"),
    # Nobody is asked to sign in as before, or in a way that does not exist.
    (r"/convert-login$", r"You (do not )?sign in with|if that is configured|The password is incorrect"),
    # Somebody who is suspended gets no key.
    (r"/keys(/tokens)?$", r"is suspended"),
    # A list begins at one place, and only at one that is there.
    (r"/(audit|history)$", r"cannot be given together|must be the id of an entry"),
    # There are three ways to say when, and one of them is enough. What has not come cannot be told.
    (r"^GET ", r"Only one of .* says when|must be in the past"),
    # A search has a grammar of its own. (The other parameters of lists are told by their names.)
    (r"^GET .*/(users|audit)$", r'"field":"(?!after_id"|before_id"|limit"|offset")'),
    # Only the ids of the organization itself may stand behind its roles.
    (r"/members/\{user\}/roles$", r":[-0-9a-fA-F]{36}.*is no role in this organization"),
    # How long is too long depends on who will have the token.
    (r"/keys/tokens$", r"lifetime must be less"),
    # Fields that must agree with each other.
    (r"/keys/tokens$", r"must agree"),
    (r"/authcheck$", r"is not supported for the type|more than"),
    # A schema has no word for the earliest time.
    (r"/testgenerate$", r"must be from 1970 to 9999"),
    # A schema counts characters.
    (r"", r"at most \d+ bytes"),
    # To a schema 1.0 is an integer; to clients of this API, as they read numbers, it is none.
    (r"", r"invalid type: floating point"),
]


def call(method, path, body=None):
    """Asks for something, as the owner."""
    if call.token is None or (answer := send(method, path, body)).status_code == 401:
        call.token = requests.post(f"{API}/users/login", json=OWNER).json()["session_token"]
        answer = send(method, path, body)
    return answer


def send(method, path, body):
    return CONNECTION.request(method, f"{API}{path}", json=body, headers={"Coder-Session-Token": call.token})


call.token = None
CONNECTION = requests.Session()


def somebody_is_there():
    """Makes the fuzzed user, unless there is one, an ordinary one with a token."""
    found = call("GET", f"/users/{FUZZED}")
    if found.status_code == 404:
        wish = {
            "email": f"{uuid.uuid4()}@example.com",
            "username": FUZZED,
            "password": "the password of the fuzzed",
            "organization_id": str(uuid.UUID(int=0)),
        }
        call("POST", "/users", wish).raise_for_status()
    if found.ok and found.json()["roles"]:
        call("PUT", f"/users/{FUZZED}/roles", {"roles": []})
    if found.ok and found.json()["status"] == "suspended":
        call("PUT", f"/users/{FUZZED}/status/activate")
    call("POST", f"/users/{FUZZED}/keys/tokens", {"token_name": "ci"})
    call("POST", "/organizations", {"name": CLUB})


somebody_is_there.still = False


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Nobody changes anything with a cookie alone: whether a page of ours sent it is looked at before the token is, and
    is a 400. The check of bad tokens knows only 401 and 403."""
    for operations in raw_schema["paths"].values():
        for method, operation in operations.items():
            if method != "get" and "security" not in operation:
                operation["security"] = [{"header": []}, {"bearer": []}]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sets the stage: a request that is in order should also find what it needs."""
    path, method, named = case.operation.path, case.method.upper(), case.path_parameters or {}
    # Whatever is no question may have changed them, under whichever name.
    somebody_is_there.still = somebody_is_there.still and method == "GET"
    if path.endswith("/users/login") and isinstance(case.body, dict) and case.body.get("email") == "ada@example.com":
        # The example of the description: it names nobody here.
        case.body = dict(OWNER)
    if path.endswith("/convert-login") and case.body == CONVERSION:
        case.body = {**CONVERSION, "password": OWNER["password"]}
    if named.get("user") != FUZZED:
        return
    if not somebody_is_there.still:
        somebody_is_there()
    somebody_is_there.still = method == "GET"
    if path.endswith("/members/{user}") and named.get("organization") == CLUB:
        call({"POST": "DELETE", "DELETE": "POST"}.get(method, "GET"), f"/organizations/{CLUB}/members/{FUZZED}")
    if path.endswith("/members/{user}/roles") and named.get("organization") == CLUB:
        call("POST", f"/organizations/{CLUB}/members/{FUZZED}")
    if path.endswith("/personal-data") and isinstance(case.body, dict) and case.body.get("confirm") == "ada":
        case.body = {"confirm": FUZZED}
    if "id" in named:
        case.path_parameters["id"] = call("POST", f"/users/{FUZZED}/keys").json()["key"].split("-")[0]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    if "" in (case.path_parameters or {}).values():
        # The path is that of another operation, which answers in its own way, if it does.
        return response.status_code >= 500
    operation, said = case.operation.label, response.text
    return not (
        isinstance(failure, RejectedPositiveData)
        and response.status_code == 400
        and any(re.search(where, operation) and re.search(what, said) for where, what in REFUSED_FOR_GOOD_REASON)
    )
