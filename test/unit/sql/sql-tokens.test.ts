import { parse, scan } from 'libpg-query'
import { expect, test } from 'vitest'
import { tokensIn } from '../../../src/sql/sql-tokens.ts'
import { SqlReader, statementsIn } from '../../../src/sql/statements-in.ts'

const hostile = [
  `select 'a;b', 'it''s; ', "odd;""name;", U&"d\\0061;t" from t; select 2`,
  `select E'\\'; --', e'a\\\\'; select 'C:\\'; select 2`,
  `select E'a'\n  'b\\'; c'; select 2`,
  `select $$ ; ' $$, $q$ ; $$ ; $q$, $é$;$é$; select a$1, b$$c$$; select $1;`,
  `/* a /* ; ' */ ; */ select 1; -- ; "\r select 2`,
  `select 1 */* ; */2; select 1-- ;\n; select 1 as "--"; select '--;'; select '/*;'; select 3`,
  `select x'5e', b'01', N';', U&'\\0041;', 1.5e-3, .5, 0x1f, 1_000, c::int`,
  `create rule r as on insert to t do (delete from a; delete from b); select 2`,
  `create function f() returns int language sql begin atomic select ';'; select case when true then 1 end; end; select 2`,
  `;;; select 1;; /* ; */ ;`,
  '',
  'select 1',
  `create table "begin" (atomic int); select 2`,
]

test.each(hostile)('PostgreSQL’s own scanner and parser find the same in: %s', async (sql) => {
  const ours = [...tokensIn(sql)]
  expect(ours.map(({ text }) => text).join('')).toBe(sql)
  const bytes = Buffer.from(sql)
  const theirs = sql === '' ? [] : (await scan(sql)).tokens
  const endsOfTheirs = theirs.flatMap(({ tokenName, start, end }) =>
    /COMMENT|SCONST|BCONST|XCONST/.test(tokenName) || /["']$/.test(bytes.subarray(start, end).toString())
      ? [end]
      : [],
  )
  const opaque = ours.filter(({ kind }) => kind === 'text' || kind === 'comment' || kind === 'name')
  expect(opaque.map(({ at, text }) => Buffer.byteLength(sql.slice(0, at + text.length)))).toEqual(
    endsOfTheirs,
  )
  const { stmts = [] } = sql === '' ? {} : await parse(sql)
  expect(statementsIn(sql)).toHaveLength(stmts.length)
})

test.each(["select 'a", 'select "a', "select E'a\\'", 'select $a$ $b$', 'select /* /* */'])(
  'what has no end goes on to the end, and is no comment that may be left out: %s',
  (sql) => {
    expect([...tokensIn(sql)].at(-1)).toMatchObject({ closed: false })
    expect(statementsIn(`${sql}; select 2`)).toMatchObject([{ sql: `${sql}; select 2` }])
  },
)

test('a text goes on after a line break, as the server reads it: also over comments', () => {
  expect(statementsIn(`select E'a' -- ; '\n -- ; '\n 'b\\';'; select 2`)).toHaveLength(2)
})

test('the body of a function in SQL ends with its end, also if there is nothing in it', () => {
  const create = 'create function f() returns void begin atomic'
  for (const body of ['end', 'select 1; end', 'select case when true then 1 end; /* no */ end'])
    expect(statementsIn(`${create} ${body}; select 2; select 3`)).toHaveLength(3)
})

test('a statement is known without its comments, and by its words', () => {
  const text = `-- one;\nselect 'a;', "b" /* ; */ from t; ; select 2`
  expect(statementsIn(text).map(({ sql, words }) => [sql, words])).toEqual([
    [`select 'a;', "b"   from t`, 'select  ,     from t'],
    ['select 2', 'select 2'],
  ])
  expect(statementsIn(text).map(({ from, to }) => text.slice(from, to))).toEqual([
    `-- one;\nselect 'a;', "b" /* ; */ from t`,
    ' select 2',
  ])
})

test('a reader takes words and names, whatever stands between them', () => {
  const said = new SqlReader('Create/**/INDEX -- x\n "My;Index" on App . "T""1"(a); rest')
  expect(said.takes('create unique index', 'create index')).toBe('create index')
  expect(said.takesName()).toEqual({ schema: null, name: 'My;Index' })
  expect(said.takes('on')).toBe('on')
  expect(said.takesName()).toEqual({ schema: 'app', name: 'T"1' })
  expect(said.takesName()).toBeUndefined()
  expect(said.finds('rest')).toBe('rest')
  expect(said.finds('rest')).toBeUndefined()
})
