import type { Cause } from '../../../src/edge/http/schemas/answers.ts'
import { causes } from '../../../src/plan/diagnosis/cause.ts'

/** Whether somebody has to look at a cause. */
export const isBad = ({ code }: Pick<Cause, 'code'>): boolean => ['bad', 'warn'].includes(causes[code].tone)
