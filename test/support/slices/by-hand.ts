import type { Sql } from 'postgres'

/** A query, the column whose values are its slices, and the expression of a row of app.orders that says which one it touches. */
export interface Sliced {
  query: string
  by: string
  key: string
}

/** Two results as bags: in how many rows they differ. */
const difference = (one: string, other: string) =>
  `(select count(*)::int from ((${one} except all ${other}) union all (${other} except all ${one})) d)`

/**
 * What a refresh by slices does, by hand: `kept` has the result of the query. The rows of slices that the write has touched are computed
 * anew, all others stay. On one connection. Returns in how many rows that differs from the whole query under the same snapshot.
 */
export async function fillBySlices(
  sql: Pick<Sql, 'unsafe'>,
  { query, by, key }: Sliced,
  write: string,
): Promise<number> {
  await sql.unsafe('drop table if exists before; create table before as table app.orders')
  await sql.unsafe(write)
  const isTouched = `exists (select from touched t where t.key is not distinct from q.${by})`
  await sql.unsafe(`begin isolation level repeatable read;
    create table touched as select distinct ${key} as key from (
      (table before except all table app.orders) union all (table app.orders except all table before)) orders;
    create table anew as select * from kept q where not ${isTouched} union all select q.* from (${query}) q where ${isTouched}`)
  const [row] = await sql.unsafe(
    `select ${difference('table anew', `select * from (${query}) q`)} as different`,
  )
  await sql.unsafe('drop table kept, touched; alter table anew rename to kept; commit')
  return row?.different as number
}

/** Fills `kept` with the result of a query. */
export const fillWhole = (sql: Pick<Sql, 'unsafe'>, query: string) =>
  sql.unsafe(`drop table if exists kept; create table kept as select * from (${query}) q`)

/** Tables with rows of some days, among them such as have no day. */
export const tables = `
  create schema app;
  create table app.orders (id int primary key, day date, shipped date, at timestamptz not null default '2026-03-01 23:30+00', customer int, parent int,
    amount int not null default 1, price numeric, code text);
  create table app.customers (id int primary key, region text, since date);
  create table app.calendar (day date primary key, n int not null default 3);
  insert into app.calendar select date '2026-03-01' + i from generate_series(0, 5) i;
  insert into app.customers select i, 'r' || i % 3, date '2026-03-01' + i % 6 from generate_series(1, 6) i;
  insert into app.orders (id, day, shipped, customer, amount, price, code)
    select i, case when i % 11 > 0 then date '2026-03-01' + i % 5 end, date '2026-03-02' + i % 4, i % 5, i, 1.0, chr(97 + i % 3) from generate_series(1, 40) i;`
