-- What an organisation is for, and where its picture is. Those that are there have neither, as their events say.
ALTER TABLE read.organizations
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN icon text NOT NULL DEFAULT '';
