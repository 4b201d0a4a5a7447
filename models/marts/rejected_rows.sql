-- One row per row of the program's reports that is not used.
{%- set paths = column_values(ref('int_report_rows_rejected'), 'path', where='raw_text is null') %}

with

rejected_rows as (
    select * from {{ ref('int_report_rows_rejected') }}
),

lines as (
    select * from {{ lines_of_files(paths) }}
),

found as (
    select
        rejected_rows.path,
        rejected_rows.line,
        rtrim(string_agg(lines.text, chr(10) order by lines.line), chr(13)) as raw_text,
    from rejected_rows
    inner join lines
        on
            rejected_rows.path = lines.path
            and lines.line between rejected_rows.line and rejected_rows.line + rejected_rows.line_count - 1
    group by rejected_rows.path, rejected_rows.line
),

final as (
    select
        rejected_rows.file_name,
        rejected_rows.line,
        rejected_rows.reason,
        coalesce(rejected_rows.raw_text, found.raw_text) as raw_text,
    from rejected_rows
    left join found on rejected_rows.path = found.path and rejected_rows.line = found.line
)

select * from final
