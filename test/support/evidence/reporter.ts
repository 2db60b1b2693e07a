import { relative } from 'node:path'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node'
import { forgetEvidence, readEvidence } from './evidence.ts'

/** What can fail: a test, or what stands around tests: a `beforeAll`, a file that cannot be loaded. */
type Failed = TestCase | TestSuite | TestModule

/**
 * Prints, below everything else, what failed first: why, how to run it alone, and the evidence that was kept; and each error that
 * escaped from a test that had ended. Below that stands one line with the numbers, also if all passed.
 */
export default class LastWords implements Reporter {
  private passed = 0
  private failed: Failed[] = []

  onInit(): void {
    forgetEvidence()
  }

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result()
    if (state === 'passed') this.passed++
    if (state === 'failed') this.failed.push(test)
  }

  onTestSuiteResult(suite: TestSuite): void {
    if (suite.errors().length > 0) this.failed.push(suite)
  }

  onTestModuleEnd(module: TestModule): void {
    if (module.errors().length > 0) this.failed.push(module)
  }

  onTestRunEnd(_: readonly TestModule[], escaped: readonly SerializedError[]): void {
    const [first] = this.failed
    if (first !== undefined) process.stdout.write(wordsOn(first))
    for (const { stack, message } of escaped) process.stdout.write(`\nEscaped: ${stack ?? message}\n`)
    process.stdout.write(`\n${this.passed} passed, ${this.failed.length} failed\n`)
  }
}

function wordsOn(failed: Failed): string {
  const module = failed.type === 'module' ? failed : failed.module
  const file = relative(process.cwd(), module.moduleId)
  const errors = failed.type === 'test' ? (failed.result().errors ?? []) : failed.errors()
  const only = failed.type === 'module' ? '' : ` -t ${JSON.stringify(failed.name)}`
  return [
    '',
    `Failed first: ${file}`,
    ...(failed.type === 'module' ? [] : [`  ${failed.fullName}`]),
    ...errors.slice(0, 1).flatMap(({ message, stacks = [] }) => [
      ...message
        .split('\n')
        .slice(0, 20)
        .map((line) => `  ${line}`),
      ...stacks
        .slice(0, 3)
        .map(({ file: at, line, column }) => `    at ${relative(process.cwd(), at)}:${line}:${column}`),
    ]),
    ...readEvidence()
      .filter((each) => each.file === module.moduleId)
      .map(({ text }) => `  ${text}`),
    `  Run it alone: npx vitest run --project ${module.project.name} ${file}${only}`,
    '',
  ].join('\n')
}
