import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Starts the files of project `end-to-end` first: they are the longest and wait the most, and should not be what the other
 * workers have to wait for.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ project }: TestSpecification) => project.name === 'end-to-end'
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
