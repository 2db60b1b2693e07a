import { fileURLToPath } from 'node:url'
import { Extractor, ExtractorConfig, type ExtractorLogLevel } from '@microsoft/api-extractor'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each module that others import, and the name of the report of what it exports. */
const modules = { index: 'viewkeeper', cdk: 'viewkeeper-cdk', engine: 'viewkeeper-engine' }

const quiet = { default: { logLevel: 'none' as ExtractorLogLevel } }

/**
 * Writes `build/api/<name>.api.md` from `dist/`: every type that the module exports, so that a review sees a breaking
 * change. With `isCheck` nothing is written. Returns whether the report was right already, and nothing is exported whose type
 * cannot be imported.
 */
function report(module: string, name: string, isCheck: boolean): boolean {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: `${root}package.json`,
    configObject: {
      newlineKind: 'lf',
      projectFolder: root,
      mainEntryPointFilePath: `${root}dist/${module}.d.ts`,
      compiler: { tsconfigFilePath: `${root}tsconfig.json` },
      apiReport: {
        enabled: true,
        reportFileName: name,
        reportFolder: `${root}build/api`,
        reportTempFolder: `${root}.viewkeeper/api`,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: quiet,
        tsdocMessageReporting: quiet,
        extractorMessageReporting: {
          ...quiet,
          'ae-forgotten-export': { logLevel: 'error' as ExtractorLogLevel },
        },
      },
    },
  })
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    localBuild: !isCheck,
    showVerboseMessages: false,
  })
  return errorCount === 0 && !apiReportChanged
}

const isCheck = process.argv.includes('--check')
const areRight = Object.entries(modules).map(([module, name]) => report(module, name, isCheck))
if (isCheck && areRight.includes(false)) {
  console.error(
    'What the package exports has changed: run npm run api, and review the difference of build/api/.',
  )
  process.exit(1)
}
