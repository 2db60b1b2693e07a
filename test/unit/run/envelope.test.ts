import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parsePlPgSQL } from 'libpg-query'
import { describe, expect, test } from 'vitest'
import { envelope as sent, wholeEnvelope as text } from '../../../src/record/envelope/text.ts'
import { mostCharacters } from '../../../src/record/runs/history.ts'
import { isOpenBatch } from '../../../src/record/runs/life.ts'
import { failuresSetting } from '../../../src/run/connections/run-connection.ts'
import { answerSetting } from '../../../src/sealed/plan/text.ts'
import { runChannel } from '../../../src/server/listen.ts'
import { literal } from '../../../src/sql/names.ts'
import { rolePathSetting, safePath } from '../../../src/sql/settings.ts'

const folder = new URL('../../../src/record/envelope/', import.meta.url)
const parts = globSync('*.sql', { cwd: fileURLToPath(folder) }).filter((file) => file !== 'envelope.sql')

describe('the envelope', () => {
  test('has parts, each a file', () => expect(parts).toHaveLength(6))

  test.each(parts)('has %s once, which is PL/pgSQL by itself', async (file) => {
    const part = readFileSync(new URL(file, folder), 'utf8')
    expect(text.split(part.split('\n')[0]!)).toHaveLength(2)
    // What is the session's, and what is a run's.
    const declared = [...text.matchAll(/^ *declare\n(.*?)\n *begin\n/gms)].map(([, variables]) => variables)
    expect(declared).toHaveLength(2)
    const around = `do $viewkeeper$\ndeclare\n${declared.join('\n')}\nbegin\nloop\n${part}\nend loop;\nend $viewkeeper$`
    await expect(parsePlPgSQL(around)).resolves.toBeDefined()
  })

  test('has nothing that the shortening could change: no literal spans lines, and none has a comment', () => {
    expect(sent.split('\n').filter((line) => line.split(`'`).length % 2 === 0)).toEqual([])
    expect(text.split('\n').filter((line) => /'[^']*\s--.*'/.test(line))).toEqual([])
    expect(sent).not.toMatch(/--|\/\*/)
  })

  test('is PL/pgSQL, every statement of it is SQL, and the sent text is the same program', async () => {
    const program = async (body: string) => {
      const parsed = JSON.stringify(await parsePlPgSQL(body.slice(body.indexOf('\ndo $') + 1)))
      return parsed.replace(/"lineno":\d+,?/g, '').replace(/\\n| /g, '')
    }
    expect(await program(`\n${sent}`)).toBe(await program(text.replaceAll(/(^|\s)--.*/gm, '')))
    await expect(
      parsePlPgSQL(sent.replace('select backend_start from', 'select backend_start frm')),
    ).rejects.toThrow()
  })

  test.each([
    `pg_notify(${literal(runChannel)}, `,
    `current_setting(${literal(rolePathSetting)})`,
    `current_setting(${literal(failuresSetting)})`,
    `set local search_path to ${safePath};`,
    `set_config(${literal(answerSetting)}, `,
    `left(value, ${mostCharacters})`,
  ])('says the same as the code around it: %s', (part) => {
    expect(text).toContain(part)
  })

  test('asks the schema whether a run has its turn, which knows the states of a batch', () => {
    expect(text).toContain('viewkeeper.has_turn(run)')
    const schema = readFileSync(new URL('../../../schema/004_runs.sql', import.meta.url), 'utf8')
    expect(schema).toContain(`${isOpenBatch} and`)
  })
})
