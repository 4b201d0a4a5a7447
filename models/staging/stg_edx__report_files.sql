-- One row per file in the program's folder.
with

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

final as (
    select
        file_id,
        file_name,
        path,
        report_kind,
        course_instance,
        reported_at,
        ignored_reason,
        refused_reason,
        row_count,
        size_bytes,
        content_digest
    from report_files
)

select * from final
