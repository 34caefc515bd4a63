/** Grey shapes where something will be. */
export function Skeleton({ rows, className = 'bar', label = 'Loading' }: { rows: number; className?: string; label?: string }) {
  return (
    <div role="status" className={`skeletons of-${className}`}>
      <span className="unseen">{label}</span>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} className={`skeleton ${className}`} aria-hidden="true" />
      ))}
    </div>
  );
}
