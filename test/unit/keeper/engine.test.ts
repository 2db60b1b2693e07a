import { build } from 'esbuild'
import { expect, test } from 'vitest'

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
  expect(files.filter((file) => /node_modules\/(@aws|@smithy|@middy|aws)|src\/edge\//.test(file))).toEqual([])
})
