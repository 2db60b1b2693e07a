/**
 * What decides, besides the rows of tables, whether an incremental table shows what its query gives; in words, for docs/slices.md, who may change it, and what a
 * refresh does then. As SQL beside its row `c` of pg_class: `is`, by which a change is seen when a refresh is planned, when it begins and before it
 * commits; `odd`, why the table is not refreshed.
 */
interface Fact {
  what: string
  who: string
  refresh: string
  is?: string
  odd?: string
}

/** Unique and exclusion indexes: those that one statement could violate on its way are `indimmediate`. */
const strict = 'pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisexclusion)'

/** The foreign keys to it and of it. The server finds constraints by the table that they are of, and these by their triggers on both. */
const foreignKeys = `(select distinct k.* from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint where t.tgrelid = c.oid and k.contype = 'f')`

const inherits = 'exists (select from pg_inherits h where c.oid in (h.inhrelid, h.inhparent))'

/** A reason, and the SQL that ends it. */
const typed = (because: string, what: string, ...more: string[]): string =>
  `format('${because}: alter table %1$s ${what}', ${['c.oid::regclass', ...more].join(', ')})`

const when = (condition: string, why: string): string => `case when ${condition} then ${why} end`
const owner = 'its owner'

export const standsOn: Fact[] = [
  { what: 'columns and their types', who: owner, refresh: 'is refused, with the SQL that makes them fit' },
  {
    what: 'unique indexes, exclusion constraints',
    who: owner,
    refresh: 'fails if its rows violate one; a row that changes a second one is deleted and inserted',
    is: `(select string_agg(concat(i.indexrelid, ' ', i.xmin), ',' order by i.indexrelid) from ${strict})`,
  },
  {
    what: 'foreign keys',
    who: 'who has `references`',
    refresh: 'is refused if one writes the table, or could change rows that refer to one that stays',
    odd: `(select format(case when k.conrelid = c.oid then 'foreign key %I of it writes its rows when %s is written'
                          else 'foreign key %I of %s could change or delete rows there that refer to a row that stays' end || ': let it be on update no action, on delete no action%s',
                          k.conname, case when k.conrelid = c.oid then k.confrelid else k.conrelid end::regclass, case when k.confrelid = c.oid and k.confupdtype not in ('n', 'd') then ', or make unique indexes that it does not refer to deferrable constraints' end) from ${foreignKeys} k
            where k.conrelid = c.oid and array[k.confupdtype, k.confdeltype] && '{c,n,d}' or k.confrelid = c.oid and (k.confupdtype in ('n', 'd')
                  or array[k.confupdtype, k.confdeltype] && '{c,n,d}' and (select count(*) from ${strict} and i.indimmediate) > 1) order by k.oid limit 1)`,
  },
  {
    what: 'triggers that fire before its rows are written',
    who: 'who has `trigger`',
    refresh: 'is refused',
    is: `(select string_agg(concat(t.oid, ' ', t.xmin), ',' order by t.oid) from pg_trigger t where t.tgrelid = c.oid)`,
    odd: `(select ${typed('its trigger %2$I fires before rows are written, and may change them or leave them out; let it fire after that, or', 'disable trigger %2$I', 't.tgname')}
             from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgtype & 2 <> 0 and t.tgenabled <> 'D' order by t.tgname limit 1)`,
  },
  {
    what: 'triggers and constraints that are initially deferred',
    who: 'who has `trigger` or `references`',
    refresh: 'is refused: they would act at the commit, as another role',
    odd: `(select format('its %s is deferred, and would act at the commit, as another role than its owner: let it be immediate', case k.contype when 'f' then format('foreign key %I of %s', k.conname, k.conrelid::regclass)
                    else format('%s %I', case k.contype when 't' then 'trigger' else 'constraint' end, k.conname) end)
             from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint where t.tgrelid = c.oid and t.tginitdeferred order by k.oid limit 1)`,
  },
  {
    what: 'rules',
    who: owner,
    refresh: 'is refused',
    is: 'c.relhasrules',
    odd: when(
      'exists (select from pg_rewrite w where w.ev_class = c.oid)',
      `'it has rules, which would write something else: drop them.'`,
    ),
  },
  {
    what: 'row security that is forced',
    who: owner,
    refresh: 'is refused',
    is: 'c.relforcerowsecurity',
    odd: when(
      'c.relforcerowsecurity',
      typed(
        'it forces its policies on its owner, %2$s, who writes its rows',
        'no force row level security',
        'c.relowner::regrole',
      ),
    ),
  },
  {
    what: 'that it is logged',
    who: owner,
    refresh: 'is refused: the server empties an unlogged table after a crash',
    is: 'c.relpersistence',
    odd: when("c.relpersistence <> 'p'", typed('it is unlogged, and empty after a crash', 'set logged')),
  },
  {
    what: 'partitions, parents, children',
    who: 'owners of both',
    refresh: 'is refused',
    is: inherits,
    odd: when(inherits, `'it inherits, or is inherited from.'`),
  },
  {
    what: 'columns that the server computes',
    who: owner,
    refresh: 'is refused',
    is: `(select string_agg(a.attname, ',') from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and (a.attidentity = 'a' or a.attgenerated <> ''))`,
    odd: `(select ${typed('the server computes its column %2$I', 'alter column %2$I drop %3$s', 'a.attname', `case a.attidentity when '' then 'expression' else 'identity' end`)}
             from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and (a.attidentity = 'a' or a.attgenerated <> '') order by a.attnum limit 1)`,
  },
  {
    what: 'subscriptions that write it',
    who: 'their owners',
    refresh: 'is refused',
    odd: `(select format('subscription %I writes its rows', s.subname) from pg_subscription_rel r join pg_subscription s on s.oid = r.srsubid where r.srrelid = c.oid limit 1)`,
  },
  {
    what: 'a publication without a replica identity',
    who: 'owners of both',
    refresh: 'is refused, as the server would',
    odd: when(
      `c.relreplident in ('d', 'n') and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) and exists (
              select from pg_publication p where p.puballtables and (p.pubupdate or p.pubdelete)
              union all select from pg_publication_rel r where r.prrelid = c.oid
              union all select from pg_publication_namespace s where s.pnnspid = c.relnamespace)`,
      typed(
        'it is published, and has no replica identity, so the server refuses its changes',
        'replica identity full',
      ),
    ),
  },
  {
    what: 'tablespace, access method, storage, statistics',
    who: owner,
    refresh:
      'nothing, if rows stay; its age is unknown until the next refresh if the server writes the table anew',
  },
  {
    what: 'the comment on its query',
    who: owner,
    refresh: 'puts it back by the record, or says what to type',
  },
  {
    what: 'rows that others write, also by triggers',
    who: 'whom `doctor` names',
    refresh: 'of all rows corrects and counts them',
  },
  {
    what: 'the query, and what it reads but rows of tables',
    who: 'owners of these',
    refresh: 'computes all rows',
  },
  {
    what: 'the log: its tables, functions and triggers, and what lets them write',
    who: 'owners of the tables and of schema `viewkeeper_logs`',
    refresh: 'computes all rows, and says what to grant or to make anew',
  },
]

/** SQL for what of these is seen to change, beside `c`. */
export const seen = standsOn.flatMap(({ is }) => is ?? []).join(', ')

/** SQL for why an incremental table is not refreshed, beside `c`; null: it is. */
export const odd = `coalesce(${standsOn.flatMap(({ odd }) => odd ?? []).join(',\n')})`
