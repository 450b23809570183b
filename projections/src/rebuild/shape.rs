//! What the tables of `read` are like, as the statements that make others like them in `read_next`.

use sqlx::PgConnection;

use crate::replay::{Rule, Table};

/// The statements for all tables that are rebuilt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Make the schema.
    pub schema: Vec<String>,
    /// By table, in the order of the rules.
    pub tables: Vec<TableShape>,
}

/// The statements for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableShape {
    pub table: &'static Table,
    /// Before there are rows.
    pub create: Vec<String>,
    /// When there are.
    pub index: Vec<String>,
}

impl Shape {
    pub async fn of(conn: &mut PgConnection, rules: &[&'static Rule]) -> sqlx::Result<Self> {
        let mut tables = Vec::new();
        for table in rules.iter().flat_map(|rule| rule.tables) {
            let (create, index) = (
                creation(conn, table.name).await?,
                indexes(conn, table.name).await?,
            );
            tables.push(TableShape {
                table,
                create,
                index,
            });
        }
        Ok(Self {
            schema: schema(conn).await?,
            tables,
        })
    }
}

async fn schema(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format('CREATE SCHEMA read_next AUTHORIZATION %I', pg_get_userbyid(nspowner))
           FROM pg_namespace
          WHERE nspname = 'read'
          UNION ALL
         SELECT format('GRANT %s ON SCHEMA read_next TO %s', privilege_type
                     , CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
           FROM pg_namespace, aclexplode(nspacl)
          WHERE nspname = 'read'",
    )
    .fetch_all(conn)
    .await
}

/// With defaults, checks and comments as they are, and the settings, the owner and the grants, which LIKE does not copy.
async fn creation(conn: &mut PgConnection, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "WITH old AS (
             SELECT relname, relowner, relacl, reloptions
               FROM pg_class
              WHERE oid = to_regclass('read.' || quote_ident($1)))
         SELECT format('CREATE TABLE read_next.%I (LIKE read.%I INCLUDING ALL EXCLUDING INDEXES)', relname, relname)
             || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
           FROM old
          UNION ALL
         SELECT format('ALTER TABLE read_next.%I OWNER TO %I', relname, pg_get_userbyid(relowner))
           FROM old
          UNION ALL
         SELECT format('GRANT %s ON read_next.%I TO %s', privilege_type, relname
                     , CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
           FROM old, aclexplode(relacl)",
    )
    .bind(table)
    .fetch_all(conn)
    .await
}

/// Those that belong to a constraint come with it, under its name.
async fn indexes(conn: &mut PgConnection, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format('ALTER TABLE read_next.%I ADD CONSTRAINT %I %s', $1::text, conname, pg_get_constraintdef(oid))
           FROM pg_constraint
          WHERE conrelid = to_regclass('read.' || quote_ident($1)) AND contype IN ('p', 'u', 'x')
          UNION ALL
         SELECT replace(pg_get_indexdef(indexrelid), ' ON read.', ' ON read_next.')
           FROM pg_index
          WHERE indrelid = to_regclass('read.' || quote_ident($1))
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
    )
    .bind(table)
    .fetch_all(conn)
    .await
}
