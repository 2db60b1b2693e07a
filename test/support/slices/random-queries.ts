import fc from 'fast-check'
import type { Sliced } from './by-hand.ts'

/** Keys of an order, as expressions of its row `o`. */
const keys = [
  'o.day',
  "date_trunc('week', o.day::timestamp)::date",
  "coalesce(o.day, '2000-01-01') + 1",
  'o.customer',
  'o.customer % 3',
  "case when o.customer > 2 then 'large' when o.customer is null then null else 'small' end",
  'o.code',
  'upper(o.code)',
  "o.at at time zone 'Asia/Tokyo'",
  "date_trunc('day', o.at)::date",
  "date_trunc('day', o.at at time zone 'Europe/Berlin')",
]

/** What has a row `o` of an order, perhaps often, and perhaps also other tables. */
const sources = [
  'app.orders o',
  'app.orders o join app.customers c on c.id = o.customer',
  'app.customers c join app.orders o on c.id = o.customer or c.region = o.code',
  'app.orders o left join app.customers c on c.id = o.customer and o.amount > 3',
  'app.customers c right join (app.orders o left join app.calendar k on k.day = o.day) on c.id = o.customer',
  '(select * from app.orders where amount % 3 > 0) o',
  'app.all_orders o',
  'app.orders o, generate_series(1, o.amount % 3) g',
  'app.orders o cross join lateral (select c.region from app.customers c where c.id >= o.customer order by c.id limit 1) x',
  'app.customers c cross join lateral (select * from app.orders o where o.customer % 2 = c.id % 2) o',
  // What another table has is seen by how many rows an order makes, or by its amount.
  "app.orders o join app.customers c on c.id = o.customer and c.region <> 'r1'",
  "(app.orders o cross join app.customers c) join app.calendar k on c.id = o.customer and c.since > k.day and o.day <> '2026-03-02'",
  'app.customers c join app.orders o on c.region = o.code',
  `${more('coalesce(length(c.region), 0) + extract(day from c.since)::int', 'app.orders o left join app.customers c on c.id = o.customer')}`,
  `${more('coalesce(c.n, 0)::int', "app.orders o left join (select id, count(*) filter (where region <> 'r1') as n from app.customers group by id) c on o.customer = c.id")}`,
  `${more('coalesce(length(c.region), 9)', 'app.orders o left join (app.calendar k left join app.customers c on c.since = k.day) on c.id = o.customer')}`,
  `${more('length(c.region)', 'app.known_customers c right join (select * from app.orders where amount % 4 > 0) o on o.customer = c.id')}`,
  `${more('k.n', 'app.orders o left join app.customers c on c.id = o.customer left join app.calendar k on k.day = c.since')}`,
  `${more('k.n', 'app.orders o join app.calendar k on k.day = o.shipped left join app.customers c on c.since = k.day and c.id = k.n')}`,
  // Rows without an order are joined, too.
  `(select * from app.all_orders union all select 0, k.day, null, '2026-03-01 23:30+00', k.n, null, 1, 0, 'a' from app.calendar k) o join app.customers c on c.id = o.customer and c.region <> 'r1'`,
  `${more('count(*)::int', "app.customers c join app.orders o on o.customer = c.id where c.since > '2026-03-02'", 'group by o.id')}`,
]

/** Orders whose amount tells what is joined with them. */
function more(amount: string, from: string, group = ''): string {
  return `(select o.id, o.day, o.customer, o.code, o.at, o.amount + ${amount} as amount from ${from} ${group}) o`
}

/** Other names of an order's day, each with its source: equal to it in every row, or where there is one. */
const calendars = [
  { by: 'k.day', source: 'app.orders o join app.calendar k on k.day = o.day' },
  { by: 'k.day', source: 'app.orders o cross join app.calendar k', where: 'k.day = o.day' },
  { by: 'k.day', source: 'app.calendar k left join app.orders o on k.day = o.day and o.amount > 2' },
  {
    by: "date_trunc('week', k.day::timestamp)::date",
    source: 'app.orders o right join app.calendar k on o.day = k.day',
  },
  { by: 'day', source: 'app.calendar join app.orders o using (day)' },
  {
    by: 'k.day',
    source:
      "(app.calendar k left join app.orders o on k.day = o.day and o.customer = k.n) join app.customers c on c.id = k.n and c.region <> 'r1'",
  },
]

const conditions = [
  'true',
  'o.amount % 2 = 0',
  'exists (select from app.customers x where x.id = o.customer)',
  "o.customer not in (select id from app.customers where region = 'r1')",
]

type Shape = (by: string, from: string, alike: string) => string

/** Queries whose rows fall into slices by `k`. */
const shapes: Shape[] = [
  (by, from) => `select ${by} as k, o.id, o.amount from ${from}`,
  (by, from) =>
    `select ${by} as k, count(*) as n, sum(o.amount) as s, array_agg(distinct o.id) as ids from ${from} group by 1`,
  (by, from) =>
    `select ${by} as k, o.amount % 2 as half, count(distinct o.code) as n from ${from} group by 2, 1 having count(*) > 1`,
  (by, from) =>
    `select ${by} as k, o.id, sum(o.amount) over (partition by ${by} order by o.id) as s, count(*) over (partition by o.code, ${by}) as n from ${from}`,
  (by, from) =>
    `select distinct on (${by}) o.id, ${by} as k, o.amount from ${from} order by ${by}, o.amount desc, o.id`,
  (by, from) => `select distinct ${by} as k, o.code from ${from}`,
  (by, from) =>
    `select k, max(n) as most, count(*) as n from (select ${by} as k, o.code, count(*) as n from ${from} group by 1, 2) x group by k`,
  (by, from) =>
    `with few as (select ${by} as k, o.id, row_number() over w as place from ${from} window w as (partition by ${by} order by o.amount desc, o.id)) select k, id, place from few where place <= 2`,
  (by, from) =>
    `select ${by} as k, o.code from ${from} union all select null, 'none' where exists (select from app.customers)`,
  (by, from, alike) => `select ${by} as k, o.code from ${from} union ${alike}`,
  (by, from, alike) => `select ${by} as k, o.code from ${from} except ${alike}`,
  (by, from, alike) => `select ${by} as k, o.code from ${from} intersect all ${alike}`,
  (by, from, alike) =>
    `select k, count(*) as n from (select ${by} as k, o.code from ${from} union all ${alike}) x group by k`,
  (by, from) =>
    `with daily as (select ${by} as k, o.customer, sum(o.amount) as s from ${from} group by 1, 2) select k, customer, s, rank() over (partition by k order by s desc, customer) as place from daily`,
]

/** Where rows of several slices can meet. Whether they do depends on the key: it may stand in a PARTITION BY, or decide a join. */
const traps = {
  sources: [
    'app.customers c left join app.orders o on c.id = o.customer',
    'app.orders o full join app.customers c on c.id = o.customer',
    'app.orders o join app.orders p on p.customer = o.customer',
    'app.all_orders o join app.orders p on p.id = o.id + 1',
    'app.calendar k left join app.orders o on k.day = o.shipped',
    '(app.orders o join app.calendar k on k.day = o.day) right join app.customers c on c.id = o.customer',
    '(select * from app.orders order by amount desc, id limit 5) o',
    '(select distinct on (customer) * from app.orders order by customer, amount desc, id) o',
    '(select *, count(*) over (partition by code) as n from app.orders) o',
    '(select *, sum(amount) over (order by day, id) as n from app.orders) o',
    '(select * from app.orders union select * from app.orders where amount > 3) o',
    '(select * from app.orders except all select * from app.orders where amount > 3) o',
    '(select id, max(day) over (partition by customer) as day, customer, code, amount, at from app.orders) o',
    '(select day, customer, min(id) as id, min(code) as code, count(*) as amount, min(at) as at from app.orders group by day, customer) o',
    '(select day, customer, min(id) as id, min(code) as code, count(*) as amount, min(at) as at from app.orders group by cube (day, customer)) o',
    'app.customers c cross join lateral (select * from app.orders o where o.customer = c.id order by amount desc, id limit 1) o',
    '(select o.*, k.day as other from app.orders o full join app.calendar k on k.day = o.day) o',
    '(select *, generate_series(1, 2) from app.orders) o',
  ],
  conditions: [
    'o.amount > (select avg(amount) from app.orders)',
    'not exists (select from app.orders x where x.customer = o.customer and x.amount > o.amount)',
    'o.customer in (select customer from app.all_orders where day is null)',
  ],
  shapes: [
    (by, from) =>
      `select ${by} as k, (select count(*) from app.orders) as of, count(*) as n from ${from} group by 1, (select count(*) from app.orders)`,
    (by, from) => `select ${by} as k, o.id, sum(o.amount) over (order by o.amount, o.id) as s from ${from}`,
    (by, from) =>
      `select ${by} as k, o.id, rank() over (partition by o.code order by o.amount, o.id) as place from ${from}`,
    (by, from) =>
      `select distinct on (o.code) ${by} as k, o.id from ${from} order by o.code, o.amount desc, o.id, ${by}`,
    (by, from) => `select ${by} as k, o.code, count(*) as n from ${from} group by rollup (1, 2)`,
    (by, from) => `select min(${by}) as k, count(*) as n from ${from} group by o.code`,
    (by, from) => `select ${by} as k, o.id from ${from} order by o.amount desc, o.id, k limit 4`,
    (by, from) =>
      `with all_of as (select ${by} as k, count(*) as n from ${from} group by 1) select k, n, sum(n) over () as s from all_of`,
    (by, from) =>
      `with all_of as (select ${by} as k, count(*) as n from ${from} group by 1) select k, n from all_of where n >= (select max(n) from all_of)`,
    (by, from) =>
      `with all_of as (select ${by} as k, count(*) as n from ${from} group by 1) select a.k, b.n from all_of a join all_of b on b.n = a.n`,
    (by, from) =>
      `with all_of as (select ${by} as k, o.code from ${from}) select k, code from all_of union all select k, 'again' from all_of`,
  ] satisfies Shape[] as Shape[],
}

/** A query whose column `k` is a key of an order. `provable`: it falls into slices by that, in a way that can be proved. */
export const queries: fc.Arbitrary<Sliced & { provable: boolean }> = fc
  .record({
    key: fc.constantFrom(...keys),
    source: mixed(sources, traps.sources),
    calendar: fc.option(fc.constantFrom(...calendars), { freq: 3 }),
    condition: mixed(conditions, traps.conditions),
    shape: mixed(shapes, traps.shapes),
  })
  .map(({ key, source, calendar, condition, shape }) => {
    const by = calendar?.by ?? key
    const from = `${calendar?.source ?? source.of} where ${calendar === null || condition.isTrap ? condition.of : (calendar.where ?? 'true')}`
    return {
      query: shape.of(by, from, `select ${by}, lower(o.code) from ${from} and o.amount > 4`),
      by: 'k',
      key: by.replace('k.day', 'day').replaceAll(/\bo\./g, ''),
      provable: !(shape.isTrap || condition.isTrap || (calendar === null && source.isTrap)),
    }
  })

/** One of these, and now and then a trap. */
function mixed<T>(plain: T[], trapping: T[]): fc.Arbitrary<{ of: T; isTrap: boolean }> {
  const each = (all: T[], isTrap: boolean) => fc.constantFrom(...all).map((of) => ({ of, isTrap }))
  return fc.oneof(
    { weight: 4, arbitrary: each(plain, false) },
    { weight: 1, arbitrary: each(trapping, true) },
  )
}

const day = fc.integer({ min: 0, max: 6 }).map((more) => `date '2026-03-01' + ${more}`)
const some = fc
  .integer({ min: 2, max: 7 })
  .chain((n) => fc.integer({ min: 0, max: n - 1 }).map((rest) => `id % ${n} = ${rest}`))

/** What writers do to orders. */
export const writes: fc.Arbitrary<string> = fc.oneof(
  fc
    .record({
      day: fc.option(day, { freq: 6 }),
      customer: fc.integer({ min: 0, max: 8 }),
      code: fc.constantFrom('a', 'B', 'c', 'd'),
      n: fc.integer({ min: 1, max: 3 }),
    })
    .map(
      ({ day, customer, code, n }) =>
        `insert into app.orders (id, day, customer, code, amount) select nextval('app.ids'), ${day ?? null}, ${customer}, '${code}', i * 3 from generate_series(1, ${n}) i`,
    ),
  some.map((which) => `delete from app.orders where ${which} and id > 10`),
  fc.tuple(day, some).map(([day, which]) => `update app.orders set day = ${day} where ${which}`),
  some.map((which) => `update app.orders set amount = amount + 1, code = upper(code) where ${which}`),
  some.map(
    (which) => `update app.orders set customer = customer + 1, at = at + interval '5 h' where ${which}`,
  ),
  day.map(
    (day) => `merge into app.orders o using (select 7 as id union select nextval('app.ids')) s on o.id = s.id
      when matched then update set day = ${day} when not matched then insert (id, day, customer, code) values (s.id, ${day}, 2, 'b')`,
  ),
  some.map(
    (which) =>
      `begin; update app.orders set day = null where ${which}; savepoint s; delete from app.orders; rollback to s; commit`,
  ),
)

const customer = fc.integer({ min: 0, max: 8 })
const region = fc.constantFrom("'r0'", "'r1'", "'a'", "'B'", 'null')

/** What writers do to the other tables, also to what orders are joined with. */
export const otherWrites: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(customer, region)
    .map(([id, region]) => `update app.customers set region = ${region}, since = since + 1 where id = ${id}`),
  customer.map((id) => `update app.customers set id = nextval('app.ids') where id = ${id}`),
  fc
    .tuple(customer, region, day)
    .map(
      ([id, region, day]) =>
        `insert into app.customers values (${id}, ${region}, ${day}) on conflict (id) do update set region = excluded.region`,
    ),
  fc
    .tuple(customer, region, day)
    .map(
      ([id, region, day]) =>
        `begin; delete from app.customers where id = ${id}; insert into app.customers values (${id}, ${region}, ${day}) on conflict do nothing; commit`,
    ),
  customer.map((id) => `delete from app.customers where id = ${id}`),
  fc
    .tuple(customer, some)
    .map(
      ([id, which]) =>
        `begin; update app.orders set customer = ${id} where ${which}; update app.customers set region = 'r0' where id = ${id}; savepoint s; delete from app.customers; rollback to s; commit`,
    ),
  fc.tuple(day, customer).map(([day, n]) => `update app.calendar set n = ${n} where day = ${day}`),
  day.map((day) => `delete from app.calendar where day = ${day}`),
  fc
    .tuple(day, customer)
    .map(
      ([day, n]) =>
        `insert into app.calendar values (${day}, ${n}) on conflict (day) do update set n = excluded.n`,
    ),
  fc.constant(
    "truncate app.customers; insert into app.customers select i, 'r' || i % 3, date '2026-03-01' + i % 6 from generate_series(1, 6) i",
  ),
)

/** The tables as they were before writers came, and what queries read besides. */
export const first = `
  create index on app.orders (customer); create index on app.orders (code); create index on app.orders (shipped); create index on app.calendar (n);
  create sequence app.ids start 1000; create view app.all_orders as select * from app.orders;
  create view app.known_customers as select id, region, since from app.customers where region <> 'r2';
  create table app.first_orders as table app.orders; create table app.first_customers as table app.customers; create table app.first_calendar as table app.calendar`
export const again = ['orders', 'customers', 'calendar']
  .map((table) => `truncate app.${table}; insert into app.${table} table app.first_${table}`)
  .join('; ')
