import { InvalidArgumentError } from 'commander'

/** A whole number from 1 on. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Write a number from 1 on.')
  return Number(text)
}

/** A whole number from 0 on. */
export function natural(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a number from 0 on.')
  return Number(text)
}

/** The names in `one,two`. */
export const commaSeparated = (text: string): string[] => text.split(',').filter(Boolean)
