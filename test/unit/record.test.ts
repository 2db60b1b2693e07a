import { expect, test } from 'vitest'
import { objectsOf, placesIn, writing } from '../../build/record.ts'

const objects = objectsOf(`
create table viewkeeper.runs (id int);
create function viewkeeper.newer() returns text language sql as 'select 1';
create view viewkeeper.standings as select 1;`)

test('what names a table, a view or a function of the schema is counted, and nothing else', () => {
  expect([...objects]).toEqual(['runs', 'newer', 'standings'])
  expect(
    placesIn(
      'src/a.ts',
      'sql`select viewkeeper.newer() from viewkeeper.runs r, viewkeeper.standings`',
      objects,
    ),
  ).toBe(3)
  expect(
    placesIn('src/a.ts', "const setting = 'viewkeeper.run', other = 'viewkeeper.runs_of'", objects),
  ).toBe(0)
  expect(
    placesIn(
      'src/a.ts',
      '/** Of viewkeeper.runs. */\n// viewkeeper.runs\nconst url = "https://a/b" // viewkeeper.runs',
      objects,
    ),
  ).toBe(0)
})

test('only what writes a table is counted in a test', () => {
  const count = (statement: string) => placesIn('test/a.ts', `sql\`${statement}\``, objects, writing)
  expect(count('select from viewkeeper.runs; insert into other.runs select 1')).toBe(0)
  expect(
    count('delete from viewkeeper.runs; update viewkeeper.runs set id = 1; truncate viewkeeper.ran'),
  ).toBe(2)
  expect(count('Insert into\n viewkeeper.runs')).toBe(1)
})
