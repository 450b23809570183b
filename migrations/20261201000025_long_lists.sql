-- Long lists are read page by page, as they were at one position of the log: users who have not changed since from
-- read.users, the others from read.past_users. Of a position just passed, few have changed: they are found by when they
-- did. Of one long passed, many have: those are read in the order of the list.
CREATE INDEX past_users_until ON read.past_users (until);
CREATE INDEX past_users_username ON read.past_users (username_key, id, until);

-- API tokens of all users are listed in this order.
CREATE INDEX sessions_tokens ON read.sessions (created_at, id) WHERE login_type = 'token';
