//! Long lists, page by page inside: no connection is held while the reader takes a page.
//!
//! A list is as of one position of the log, which is fixed when it begins. So it is the same list however long its reader
//! takes and whatever is recorded meanwhile: nobody is on it twice, and nobody is missing. The one exception is a person
//! who is erased while the list is being read: they are on it only if they were sent before.

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::users::Cursor;

/// Rows that are read at once, and wait in memory for a slow reader.
const PAGE: i64 = 500;

/// A list of users, or of what belongs to them, as of one position. It has two sections: those with a username, in the
/// order of the usernames, and those whose name cannot be read any more, in the order of their ids.
pub(crate) trait Sections: Send + Sync + 'static {
    /// What is listed.
    type Item: Send + 'static;

    /// Items after the cursor, of its section.
    fn section(
        &self,
        pool: &PgPool,
        cursor: &Cursor,
        limit: i64,
        offset: i64,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Item>>> + Send;

    /// How many items the list has.
    fn count(&self, pool: &PgPool) -> impl Future<Output = sqlx::Result<Count>> + Send;

    /// Where the list goes on after this item.
    fn cursor(item: &Self::Item) -> Cursor;
}

/// How many items a list has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    /// In both sections.
    pub all: i64,
    /// In the first.
    pub named: i64,
}

/// The part of a list that is still to be read.
pub(crate) struct Rest<S> {
    list: S,
    cursor: Cursor,
    /// How many items to read; `i64::MAX` for all.
    left: i64,
    offset: i64,
}

impl<S: Sections> Rest<S> {
    /// The list from a cursor on. A limit of 0 is none.
    pub fn new(list: S, cursor: Cursor, limit: u32, offset: u32) -> Self {
        Self {
            list,
            cursor,
            left: if limit == 0 { i64::MAX } else { limit.into() },
            offset: offset.into(),
        }
    }

    /// All items at once, with how many the list has; 0 where there are none.
    pub async fn collect(mut self, pool: &PgPool) -> sqlx::Result<(Vec<S::Item>, i64)> {
        let mut items = Vec::new();
        while let Some(page) = self.next(pool).await? {
            items.extend(page);
        }
        if items.is_empty() {
            return Ok((items, 0));
        }
        let count = self.list.count(pool).await?;
        Ok((items, count.all))
    }

    /// The items one by one, each with how many the list has; with 0 where the list is read to its end anyway.
    pub fn stream(self, pool: PgPool) -> BoxStream<'static, sqlx::Result<(S::Item, i64)>> {
        let first = async move {
            let has_limit = self.left < i64::MAX;
            let count = if has_limit {
                self.list.count(&pool).await?.all
            } else {
                0
            };
            Ok::<_, sqlx::Error>((self, pool, count))
        };
        stream::once(first)
            .map_ok(|(rest, pool, count)| rest.pages(pool, count))
            .try_flatten()
            .boxed()
    }

    fn pages(self, pool: PgPool, count: i64) -> BoxStream<'static, sqlx::Result<(S::Item, i64)>> {
        let pages = stream::try_unfold((self, pool), |(mut rest, pool)| async move {
            let page = rest.next(&pool).await?;
            Ok::<_, sqlx::Error>(page.map(|page| (page, (rest, pool))))
        });
        let items = pages.map_ok(move |page| {
            let items = page
                .into_iter()
                .map(move |item| Ok::<_, sqlx::Error>((item, count)));
            stream::iter(items)
        });
        items.try_flatten().boxed()
    }

    /// The next page, which may be empty; none at the end.
    async fn next(&mut self, pool: &PgPool) -> sqlx::Result<Option<Vec<S::Item>>> {
        if self.left == 0 || self.cursor == Cursor::End {
            return Ok(None);
        }
        let limit = PAGE.min(self.left);
        let page = self
            .list
            .section(pool, &self.cursor, limit, self.offset)
            .await?;
        let read = i64::try_from(page.len()).unwrap_or(limit);
        self.left -= read;
        if read == limit
            && let Some(last) = page.last()
        {
            self.cursor = S::cursor(last);
            self.offset = 0;
            return Ok(Some(page));
        }
        if matches!(self.cursor, Cursor::Nameless(_)) {
            self.cursor = Cursor::End;
            return Ok(Some(page));
        }
        self.offset = if read == 0 && self.offset > 0 {
            let named = self.list.count(pool).await?.named;
            self.offset.saturating_sub(named).max(0)
        } else {
            0
        };
        self.cursor = Cursor::Nameless(Uuid::nil());
        Ok(Some(page))
    }
}
