import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { createKeeper } from '../../../src/engine.ts'

test('the engine loads nothing of AWS, however deep', async () => {
  const { metafile } = await build({
    entryPoints: ['src/engine.ts'],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    loader: { '.sql': 'text' },
    logLevel: 'silent',
  })
  const files = Object.keys(metafile.inputs)
  expect(files).toContain('src/run/refresh.ts')
  // The certificates of RDS are data, for an address that names such a server.
  const aws = /node_modules\/(@aws|@smithy|@middy|aws(?!-ssl-profiles\/))|src\/api\/lambda\//
  expect(files.filter((file) => aws.test(file))).toEqual([])
})

const databaseUrl = 'postgres://nobody@127.0.0.1:1/none'
const wrong = { schedules: { nightly: { time: '25:00' } }, batchConcurrency: 0, retentoin: {} } as never
const mistakes =
  /^config\.batchConcurrency: .*\nconfig\.schedules\.nightly\.time: .*\nconfig\.retentoin: unknown field: did you mean retention\?$/s

test('options that are not valid are refused by their fields, at the creation and at the start', async () => {
  await expect(createKeeper({ databaseUrl, config: wrong })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: expect.stringMatching(mistakes),
  })
  const keeper = await createKeeper({ databaseUrl })
  expect(() => keeper.start({ config: wrong })).toThrow(mistakes)
  await keeper.stop()
})
