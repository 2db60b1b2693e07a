import { causes } from '../../../src/plan/views/cause.ts'
import type { Cause } from '../api/types.ts'

/** Whether somebody has to look at a cause. */
export const isBad = ({ code }: Pick<Cause, 'code'>): boolean => ['bad', 'warn'].includes(causes[code].tone)
