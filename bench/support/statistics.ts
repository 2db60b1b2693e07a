/** A series of numbers in brief. */
export interface Summary {
  median: number
  lowerQuartile: number
  upperQuartile: number
  longest: number
}

/** Median, quartiles and the largest of at least one number. */
export function summarize(numbers: number[]): Summary {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (part: number) => {
    const place = part * (sorted.length - 1)
    const below = sorted[Math.floor(place)]!
    return below + (sorted[Math.ceil(place)]! - below) * (place % 1)
  }
  return { median: at(0.5), lowerQuartile: at(0.25), upperQuartile: at(0.75), longest: at(1) }
}

export const median = (numbers: number[]): number => summarize(numbers).median
