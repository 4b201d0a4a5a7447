-- One row per line of the send log that says whom it is about; a line that was cut off counts as an intent.
with

send_log_lines as (
    select * from {{ source('mailing', 'send_log_lines') }}
),

split as (
    select
        line,
        text,
        length(text) - length(replace(text, ',', '')) + 1 as cell_count
    from send_log_lines
),

final as (
    select
        line,
        split_part(text, ',', 1)::bigint as student_id,
        split_part(text, ',', 2) as trigger_course_instance,
        split_part(text, ',', 3)::integer as trigger_course_verified,
        split_part(text, ',', 4)::integer as attempt,
        if(cell_count = 9, split_part(text, ',', 5), 'intent') as event,
        -- only a cell that a comma ends is whole
        if(cell_count > 6, {{ utc_timestamp("split_part(text, ',', 6)") }}, null) as logged_at,
        if(cell_count > 7, split_part(text, ',', 7), null) as message_id,
        if(cell_count > 8, split_part(text, ',', 8), null) as email,
        nullif(trim(trailing '.' from split_part(text, ',', 9)), '') as detail
    from split
    -- a line cut off within its key was an intent that was not yet on disk, so nothing was handed over
    where cell_count > 4
)

select * from final
