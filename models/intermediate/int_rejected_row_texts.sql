-- One row per rejected row whose text is still in its file alone: its lines, but for the last line break.
{{ config(materialized='table', pre_hook="{{ name_files(ref('int_rejected_rows')) }}") }}

with

rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

lines as (
    select * from {{ lines_of_files(ref('int_rejected_rows')) }}
),

final as (
    select
        rejected_rows.file_id,
        rejected_rows.line,
        trim(trailing chr(13) from {{ string_agg('lines.text', 'chr(10)', 'lines.line') }}) as raw_text
    from rejected_rows
    inner join lines
        on
            rejected_rows.path = lines.path
            and lines.line between rejected_rows.line and rejected_rows.line + rejected_rows.line_count - 1
    group by rejected_rows.file_id, rejected_rows.line
)

select * from final
