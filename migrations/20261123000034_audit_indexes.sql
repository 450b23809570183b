-- Most of what users do they do to themselves: they sign in and out, and change their own profile. Such an entry was in the
-- index of users and in that of resources, with the same values. Now it is in one for both, and only what was done to others
-- is in those two. Whoever looks for a user's entries, or a resource's, looks in two indexes, and says the condition in these
-- very words: of a plain equality the planner would make something else, and not find the index again.
DROP INDEX read.audit_user, read.audit_resource;
CREATE INDEX audit_self ON read.audit (user_id, kind, at, position) WHERE (user_id = resource_id) IS TRUE;
CREATE INDEX audit_user ON read.audit (user_id, kind, at, position)
 WHERE user_id IS NOT NULL AND (user_id = resource_id) IS NOT TRUE;
CREATE INDEX audit_resource ON read.audit (resource_id, kind, at, position)
 WHERE resource_id IS NOT NULL AND (user_id = resource_id) IS NOT TRUE;

-- A request is asked for seldom, and has few entries: it is enough to know in which sixteen pages of the table they may be
-- (some 1,400 entries), by a filter of 2 kB that is wrong three times in a thousand. Unlike the least and the greatest of
-- the ids, it answers rightly for those that were not made in the order of time, too. Pages that were just filled are looked
-- through until they are summarised; what comes into pages that already are writes their filter anew, which after a rebuild is
-- so for the rest of the last sixteen.
DROP INDEX read.audit_request;
CREATE INDEX audit_request ON read.audit
 USING brin (request_id uuid_bloom_ops (n_distinct_per_range = 1400, false_positive_rate = 0.003))
  WITH (pages_per_range = 16, autosummarize = on);
