import { expect, test } from 'vitest'
import { readSchemaSteps } from '../../../src/files/schema-steps.ts'

/** The SHA-256 of each schema step, as databases have it in viewkeeper.schema_steps. A line is added, never changed. */
const digests: Record<string, string> = {
  '001_definitions': '859be4ef55a4820dde6ec245d45207f37864be4fae16ee2cce7cabc50b6fec08',
  '002_batches': '0a079ac8dbef35368cf1de6f34ffe7e9241c9a8332824c2f1cf6ddc3d5399bab',
  '003_runs': '8597e3a381126f4242c52a2a88038806b0d7857d91be39bf5667c6a81e03821f',
  '004_switches_and_actions': '02ac71c6b647dfee0a7d7795990d01c212a1ba4d3afaeb5e4f9dd163e4a5e2f2',
  '005_migrations': '0d47bcb1bfa6ddbcc5bcad9680e16c65455df241d5b38781c41cdfe2b24a1a5c',
  '006_set_aside': '3f5adfb1be94ea0be67a09530e61dabf8dce7e7fd04bde42fa0a362a20467785',
  '007_as_of': 'f07b6c5b0d9054a9ff096929877cc53ca2629b24a38a9ce666f43e95ca1d0bcd',
  '008_unchanged': '1a94ef23562b24e7a0470e6582b11559f572300c779226f4a951cde0dfdad3ce',
  '009_freshness': 'ab98a5017234dd3c527f8c25b1182f7d7f549d031e47be75cd68092ceae4cda4',
  '010_monitoring': 'c62e7a50582ac943eaf1d704bb8c10ef6d957b04377ed7adca876044b7874869',
  '011_events': '1b3c89b603ff469878010dee2fe816fe2f8c65715abca7a784b7d4197aa72107',
}

const steps = await readSchemaSteps(new URL('../../../schema/', import.meta.url))
const next = String(steps.length + 1).padStart(3, '0')

test.each(steps)('schema step $name is as it was when it was added', ({ name, checksum }) => {
  expect(
    checksum,
    digests[name] === undefined
      ? `schema/${name}.sql is new. Add its digest to the end of the list in test/unit/files/schema-steps.test.ts:\n  '${name}': '${checksum}',`
      : `schema/${name}.sql was edited, and databases that have it refuse the edited file. Restore it (git checkout main -- schema/${name}.sql) ` +
          `and write a new one: schema/${next}_<words>.sql, which only adds.`,
  ).toBe(digests[name])
})

test('no schema step is renamed or removed, because databases have it by its number and name', () => {
  expect(Object.keys(digests).filter((name) => !steps.some((step) => step.name === name))).toEqual([])
})
