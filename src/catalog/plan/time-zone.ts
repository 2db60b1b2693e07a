/** What is wrong with the name of a time zone, and what to write; null if nothing is. */
export function timeZoneFault(timeZone: string): string | null {
  const fault = 'must be the IANA name of a time zone: "Europe/Berlin", "UTC"'
  if (!/^[A-Za-z]/.test(timeZone)) return fault // Intl accepts offsets too
  try {
    const { timeZone: known } = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions()
    const sameButForCase = known !== timeZone && known.toLowerCase() === timeZone.toLowerCase()
    return sameButForCase ? `must be written "${known}"` : null
  } catch {
    return fault
  }
}
